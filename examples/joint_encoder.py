"""A query encoder and an index's codebook trained together. Needs the extra "torch": python examples/joint_encoder.py

The world is made up: documents are mixtures of topics, queries are bags of words whose meaning the encoder has to
learn. Negatives are what the index finds at each step, as it scores at that moment; the loss is of quantized scores.
"""

from __future__ import annotations

import numpy as np
import torch

import fewbits as fb
from fewbits.integrations.torch import QuantizedIndex

WORDS, DIM, LENGTH = 400, 32, 6


class Encoder(torch.nn.Module):  # type: ignore[misc,unused-ignore]  # Any where torch is not installed
    """Words to a vector: the mean of their embeddings, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(WORDS, DIM)
        self.linear = torch.nn.Linear(DIM, DIM)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        encoded: torch.Tensor = self.linear(self.embedding(words))
        return encoded


def world(documents: int, queries: int) -> tuple[np.ndarray, torch.Tensor, np.ndarray]:
    """Document vectors, the words of queries, and the document that each query asks for."""
    random = np.random.default_rng(0)
    meaning = random.normal(size=(WORDS, DIM)).astype(np.float32)
    words = random.integers(WORDS, size=(documents, LENGTH))
    vectors = meaning[words].mean(axis=1) + 0.1 * random.normal(size=(documents, DIM))
    asked = random.integers(documents, size=queries)
    kept = np.stack([random.permutation(row)[: LENGTH - 2] for row in words[asked]])
    return vectors.astype(np.float32), torch.from_numpy(kept), asked


def mrr(quantized: QuantizedIndex, encoder: Encoder, words: torch.Tensor, asked: np.ndarray) -> float:
    with torch.no_grad():
        found = quantized.search(encoder(words), 10).numpy()
    hits = found == asked[:, None]
    return float(np.mean(hits.any(axis=1) / (1 + hits.argmax(axis=1))))


def main(documents: int = 4000, queries: int = 3000, epochs: int = 6) -> tuple[float, float, float]:
    """MRR@10 on unseen queries: encoder alone trained, then with the codebook; and of the published index."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vectors, words, asked = world(documents, queries)
    index = fb.Index(DIM, metric="ip", codec=fb.PQ(8, bits=4)).build(vectors, progress=False)
    train, unseen = slice(0, queries * 4 // 5), slice(queries * 4 // 5, None)
    quantized, encoder = QuantizedIndex(index), Encoder()
    results = []
    for with_codebook in (False, True):
        parameters = [{"params": encoder.parameters(), "lr": 5e-3}]
        if with_codebook:
            parameters.append({"params": quantized.parameters(), "lr": 5e-3})
        optimizer = torch.optim.Adam(parameters)
        for _ in range(epochs):
            for batch in torch.randperm(len(words[train])).split(64):
                encoded = encoder(words[train][batch])
                positives = torch.from_numpy(asked[train])[batch, None]
                mined = quantized.search(encoded, 50)
                scores = quantized(encoded, torch.cat([positives, mined], dim=1))
                scores[:, 1:].masked_fill_(mined == positives, -torch.inf)
                loss = torch.nn.functional.cross_entropy(scores, torch.zeros(len(batch), dtype=torch.long))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        results.append(mrr(quantized, encoder, words[unseen], asked[unseen]))
        print(f"MRR@10 {'with the codebook' if with_codebook else 'encoder alone'}: {results[-1]:.3f}", flush=True)
    quantized.publish()
    with torch.no_grad():
        found = index.search(encoder(words[unseen]).numpy(), 10)
    hits = found.ids == asked[unseen][:, None]
    published = float(np.mean(hits.any(axis=1) / (1 + hits.argmax(axis=1))))
    print(f"MRR@10 of the published index: {published:.3f}")
    return results[0], results[1], published


if __name__ == "__main__":
    main()

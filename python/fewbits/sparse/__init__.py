"""Sparse vectors and BM25: `SparseIndex`."""

"""Fits the parts of an index to a sample of vectors: means, rotations, centroids, codebooks."""

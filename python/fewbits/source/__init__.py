"""Vectors in files of other libraries: one file per kind, and fb.load_vectors, which tells them apart."""

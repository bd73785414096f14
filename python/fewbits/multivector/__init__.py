"""fb.MultiVectorIndex: documents and queries of many vectors, encodings of them, and Chamfer similarity."""

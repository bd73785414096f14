"""Other libraries: faiss indexes in, torch gradients through."""

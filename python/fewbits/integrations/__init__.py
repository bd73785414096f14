"""Integrations with other libraries: faiss indexes as input, torch gradients through an index."""

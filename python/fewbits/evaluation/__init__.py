"""Exact search, recall, and the true neighbours against which indexes are measured."""

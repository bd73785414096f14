"""Exact search, recall and the true neighbours that indexes are measured against."""

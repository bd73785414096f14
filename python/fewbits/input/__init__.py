"""Checks users' input and converts it for the core: arrays, ids, sets, filters, progress."""

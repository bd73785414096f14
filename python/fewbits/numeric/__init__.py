"""Numerical helpers on numpy arrays, such as moments and directions. Independent of indexes."""

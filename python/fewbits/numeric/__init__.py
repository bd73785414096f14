"""Arrays and what numpy says of them: moments, directions, least squares. Knows nothing of indexes."""

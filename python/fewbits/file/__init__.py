"""Index files: where they are, what they contain, and how they are opened."""

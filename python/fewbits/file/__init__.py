"""Files: where they lie, what is in them, and how one is opened."""

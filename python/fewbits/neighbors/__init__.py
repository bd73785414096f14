"""What asks all vectors for their neighbours: graphs, duplicates."""

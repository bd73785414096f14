"""fb.Collection: keys, documents and metadata in SQLite beside an index of their vectors, under one commit."""

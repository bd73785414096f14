"""What tests share: data, oracles, and one row per kind of part. Tests import from here, not from each other."""

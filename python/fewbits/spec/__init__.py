"""What an index can be made of: a frozen description of each part, and of the whole. No data, no state."""

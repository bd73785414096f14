"""From a sample of vectors to the numbers that make a part: means, rotations, centroids, codebooks."""

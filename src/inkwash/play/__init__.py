"""The page of `inkwash play` and its server: many requests share batches of one network."""

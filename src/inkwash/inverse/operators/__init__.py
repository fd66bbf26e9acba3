"""The operators, one per file. Each is called with those of `shape`, `argument` and `seed` that it accepts."""

"""The methods, one per file. Each is called with `argument` if it accepts it."""

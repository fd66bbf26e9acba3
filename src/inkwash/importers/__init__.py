"""Importers that convert checkpoints of other programs to runs, one file per format."""

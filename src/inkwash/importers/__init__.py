"""Checkpoints that other programs wrote, read and kept as runs: one file for each kind."""

"""Building, training, opening and drawing from runs: the functions behind the commands and the Python API."""

"""python -m inkwash, for torchrun."""

from inkwash.cli import main

main()

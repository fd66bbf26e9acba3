"""python -m inkwash, for torchrun."""

from inkwash.cli import main

if __name__ == "__main__":  # processes that a study starts import this file too
    main()

"""Where the losses and sheets of a training are written besides its own folder's metrics: one tracker a file."""

from inkwash.tracking.tracker import Row, SoFar, Tracker, opened

__all__ = ["Row", "SoFar", "Tracker", "opened"]

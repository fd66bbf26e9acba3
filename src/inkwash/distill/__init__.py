"""Distillation: objectives that make a model draw in a few evaluations. One method a file."""

from inkwash.distill.method import Stage
from inkwash.distill.progressive import Progressive
from inkwash.distill.teacher import Teacher

__all__ = ["Progressive", "Stage", "Teacher"]

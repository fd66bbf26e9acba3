"""Prompts as the conditions of a model."""

from inkwash.text.cache import embedded
from inkwash.text.encoder import TextEncoder, checked
from inkwash.text.find import find
from inkwash.text.joint import Joint

__all__ = ["Joint", "TextEncoder", "checked", "embedded", "find"]

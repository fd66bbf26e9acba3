"""Text encoders, which turn prompts into conditions of a model."""

from inkwash.text.cache import encode_cached
from inkwash.text.encoder import TextEncoder, check_texts
from inkwash.text.find import find
from inkwash.text.joint import Joint
from inkwash.text.table import Table

__all__ = ["Joint", "Table", "TextEncoder", "check_texts", "encode_cached", "find"]

"""inkwash recipes."""

from dataclasses import dataclass
from typing import ClassVar

from inkwash import recipes
from inkwash.commands._base import Command
from inkwash.foreign import show


@dataclass(frozen=True)
class Recipes(Command):
    """List the recipes, one line each."""

    order: ClassVar[int] = 90

    def run(self) -> None:
        width = max(len(name) for name in recipes.names())
        for name, recipe in recipes.names().items():
            show(f"{name:{width}}  {recipes.summary(recipe)}")

"""The recipes: functions that return RunSettings. No torch here."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from inkwash.errors import UsageError
from inkwash.recipes.cifar import abarankab_cifar10, cifar10
from inkwash.recipes.cs180 import cs180_denoiser, cs180_flow
from inkwash.recipes.cs231n import cs231n_emoji
from inkwash.recipes.digits import digits
from inkwash.recipes.emoji import emoji
from inkwash.recipes.folder import folder
from inkwash.recipes.lab06 import lab06_eps, lab06_v
from inkwash.recipes.mnist import fashion_class, fashion_mnist, mnist, mnist_class
from inkwash.recipes.score import ncsn_mnist, score_ve_mnist, score_vp_mnist
from inkwash.recipes.sr3 import deblur_fashion, sr3_cifar10, sr3_fashion, sr3_mnist
from inkwash.recipes.sysu import sysu_fashion, sysu_mnist
from inkwash.recipes.toy import toy_2d
from inkwash.settings import Data, RunSettings

RECIPES: tuple[Callable[[], RunSettings], ...] = (
    digits, mnist, fashion_mnist, mnist_class, fashion_class, folder,
    abarankab_cifar10, cifar10, emoji, cs231n_emoji, lab06_eps, lab06_v, sysu_mnist, sysu_fashion,
    cs180_denoiser, cs180_flow, toy_2d, sr3_mnist, sr3_fashion, sr3_cifar10, deblur_fashion,
    ncsn_mnist, score_ve_mnist, score_vp_mnist,
)  # fmt: skip


def names() -> dict[str, Callable[[], RunSettings]]:
    """Every recipe by its name: the function's, with hyphens."""
    return {recipe.__name__.replace("_", "-"): recipe for recipe in RECIPES}


def find(name: str) -> RunSettings:
    """The recipe of that name. Raises UsageError, with the nearest name, where there is none."""
    known = names()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no recipe {name!r}.{hint} The recipes are {', '.join(known)}.")
    return known[name]()


def find_or_folder(name: str) -> RunSettings:
    """The recipe of that name, or where there is none the recipe `folder` for the folder or file of that name.

    Raises UsageError where there is neither.
    """
    if name not in names() and Path(name).exists():
        return replace(folder(), data=Data(source=str(Path(name).resolve())))
    try:
        return find(name)
    except UsageError as error:
        raise UsageError(f"{error} Nor is there a folder or file {name}.") from None


def run_name(name: str) -> str:
    """The name of the folder in runs/ for a recipe, or for a folder or file of images."""
    if name in names():
        return name
    path = Path(name).resolve()
    return (path.stem.removesuffix(".tar") if path.is_file() else path.name) or "folder"


def summary(recipe: Callable[[], RunSettings]) -> str:
    """The first line of a recipe's docstring."""
    return (recipe.__doc__ or "").strip().splitlines()[0]

"""The commands, one per file: sample.py defines the class of `inkwash sample` with its arguments and its `run()`.

Every file of this package is a command, unless its name begins with an underscore. There is no other list of commands.
"""

from importlib import import_module
from pkgutil import iter_modules

from inkwash.commands._base import Command, PresetCommand

__all__ = ["Command", "PresetCommand", "all_commands", "find", "names"]


def names() -> dict[str, str]:
    """The module of each command by the command's name: import_.py is `import`, and `_` becomes `-`."""
    found = (module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return {name.rstrip("_").replace("_", "-"): f"{__name__}.{name}" for name in found}


def find(name: str) -> type[Command]:
    """The command called `name`; imports only its file. Raises KeyError if there is no such command."""
    module = import_module(names()[name])
    own = (each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__)
    found = [kind for kind in own if issubclass(kind, Command)]
    if len(found) != 1:
        raise TypeError(
            f"{module.__name__} holds {len(found)} commands; it must hold one class that derives from Command"
        )
    return found[0]


def all_commands() -> dict[str, type[Command]]:
    """Every command, in the order of `inkwash --help`."""
    found = {name: find(name) for name in names()}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0])))

"""Predefined studies: the runs to train, and the settings to vary."""

from dataclasses import dataclass, replace

from inkwash import recipes
from inkwash.settings import Process, RunSettings
from inkwash.study.axes import Sweep

ETAS = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Preset:
    """A predefined study. `runs` are trained if they do not exist; an empty dictionary means the exact Gaussian."""

    runs: dict[str, RunSettings]  # by the name of their folder
    sweeps: tuple[Sweep, ...]
    n: int  # images in each of three draws


def quick() -> Preset:
    """The lab's three questions on the embedded digits, in minutes."""
    digits = recipes.find("digits")
    runs = {
        f"digits-{name}": replace(digits, process=Process(schedule="linear", prediction=name))
        for name in ("eps", "v")
    }  # fmt: skip
    sweep = Sweep(steps=(5, 10, 20, 50, 100, 250), solver=("ddim-lab",), eta=(0.0, 0.5, 1.0))
    return Preset(runs, (sweep,), 96)


def lab06() -> Preset:
    """The lab's three questions on MNIST, with its own systems and its own η."""
    runs = {name: recipes.find(name) for name in ("lab06-eps", "lab06-v")}
    few = Sweep(steps=(5, 10, 20, 50, 100), solver=("ddim-lab",), eta=ETAS)
    many = Sweep(steps=(1000,), solver=("ddim-lab",), eta=(0.0, 1.0))
    return Preset(runs, (few, many), 96)


def gaussian() -> Preset:
    """Gaussian data with a known distribution, on which measurements must agree with theory."""

    def sweep(*solvers: str, spacing: tuple[str, ...], eta: tuple[float, ...] = ()) -> Sweep:
        return Sweep(steps=(10, 20, 50, 100), solver=solvers, eta=eta, spacing=spacing, limit=("none",))

    ends = ("trailing", "linspace")
    return Preset(
        {},
        (
            sweep("ddim", spacing=ends, eta=ETAS),
            sweep("heun", "dpmpp2m", spacing=("karras",)),
            sweep("dpmpp2m", spacing=ends),
        ),
        256,
    )


PRESETS = {"quick": quick, "lab06": lab06, "gaussian": gaussian}

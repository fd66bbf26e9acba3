"""Studies with a name: what to train, and what to vary."""

from dataclasses import dataclass, replace

from inkwash import recipes
from inkwash.settings import Process, RunSettings, Sweep

ETAS = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Preset:
    """A study made ready. `runs` are trained if they are not there; none means the exact Gaussian."""

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
    return Preset(runs, (few, replace(few, steps=(1000,), eta=(0.0, 1.0))), 96)


def gaussian() -> Preset:
    """A data set on which all is known: what is measured must lie on what theory foretells."""
    free = Sweep(steps=(10, 20, 50, 100), eta=ETAS, spacing=("trailing", "linspace"), limit=("none",))
    ode = replace(free, eta=(), solver=("heun", "dpmpp2m"), spacing=("karras",))
    return Preset({}, (free, ode, replace(ode, solver=("dpmpp2m",), spacing=("trailing", "linspace"))), 256)


PRESETS = {"quick": quick, "lab06": lab06, "gaussian": gaussian}

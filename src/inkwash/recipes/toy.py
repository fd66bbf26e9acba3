"""Points in the plane."""

from inkwash.networks import MLP
from inkwash.settings import Data, Process, RunSettings, Sampler, Training


def toy_2d() -> RunSettings:
    """Points in the plane, two moons: seconds on a laptop.

    `--source swiss-roll`, `eight-gaussians` or `checkerboard` are other shapes, and `inkwash figure field RUN` shows
    the score, the flow's paths and the density. MIT 6.S184 begins with such exercises; the numbers are inkwash's own:
    flow matching with a small MLP.
    """
    return RunSettings(
        recipe="toy-2d",
        data=Data(source="two-moons"),
        network=MLP(),
        process=Process(schedule="flow", prediction="flow"),
        training=Training(draw="stratified", steps=1500, batch_size=256, lr=2e-3, precision="float32", save_every=500),
        sampler=Sampler(solver="heun", steps=25, limit="none"),
    )

"""Settings: held to their ranges when they are made, and the same after a passage through JSON."""

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from inkwash import recipes
from inkwash.errors import UsageError
from inkwash.networks import TenChannelUNet, UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampling, Training

NAN, INF = float("nan"), float("inf")

WRONG: list[tuple[type, str, list[Any]]] = [
    (Data, "size", [0, -1, 10**6, 2.5]),
    (Data, "image_channels", [0, 2, 5]),
    (Data, "unreadable", ["maybe"]),
    (UNet, "channels", [0, 1, 7, -8, 10**6]),
    (UNet, "mults", [(), (0,), (1, -1), (1,) * 11, (1000,)]),
    (UNet, "blocks", [0, 1000]),
    (UNet, "attention", [(-1,)]),
    (UNet, "heads", [0]),
    (UNet, "patch", [0, 1000]),
    (UNet, "dropout", [-0.1, 1.1, NAN]),
    (Process, "timesteps", [0, 10**7]),
    (Process, "beta_low", [0.0, -1e-4, NAN, INF]),
    (Process, "beta_high", [0.0, NAN, INF]),
    (Process, "sigma_data", [0.0, -1.0, NAN, INF]),
    (Training, "steps", [0, -1, 10**20]),
    (Training, "minutes", [0.0, -1.0, NAN, INF]),
    (Training, "batch_size", [0, 10**20]),
    (Training, "accumulate", [0]),
    (Training, "lr", [0.0, -1.0, NAN, INF]),
    (Training, "warmup", [-1]),
    (Training, "weight_decay", [-1.0, NAN, INF]),
    (Training, "beta2", [-0.1, 1.0, NAN]),
    (Training, "clip", [0.0, -1.0, NAN, INF]),
    (Training, "ema", [-0.1, 2.0, NAN]),
    (Training, "save_every", [0]),
    (Training, "seed", [-1, 2**63]),
    (Conditioning, "condition", [None]),
    (Conditioning, "condition_dropout", [-0.1, 1.1, NAN]),
    (Conditioning, "scale", [-1.0, NAN, INF]),
    (Sampling, "scale", [-1.0, NAN, INF]),
    (Sampling, "interval", [(-1.0, 1.0), (NAN, 1.0), (0.0, 1.0, 2.0)]),
    (Sampling, "rescale", [-0.1, 1.1, NAN]),
    (Sampling, "guidance", ["none", None]),
    (Sampling, "n", [0, -1]),
    (Sampling, "steps", [0]),
    (Sampling, "eta", [-0.1, 1.5, NAN]),
    (Sampling, "seed", [-1]),
]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for kind, name, values in WRONG for value in values],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_out_of_range(kind: type, name: str, value: Any) -> None:
    """The sentence names the flag, what it should be, and what it was."""
    with pytest.raises(UsageError, match=rf"^`{name}` should .*\(got .*\)\.$") as told:
        kind(**{name: value})
    assert repr(value) in str(told.value)
    assert "\n" not in str(told.value)


def test_half_an_interval() -> None:
    with pytest.raises(UsageError, match=r"^`interval` takes two numbers, as in 0\.2,5 \(got \(1\.0,\)\)\.$"):
        Sampling(interval=(1.0,))


@pytest.mark.parametrize("kind", [Data, UNet, Conditioning, Process, Training, Sampling])
def test_what_a_wrong_type_is_called(kind: type) -> None:
    for entry in fields(kind):
        with pytest.raises(UsageError, match=f"^`{entry.name}` should be"):
            kind(**{entry.name: object()})


@pytest.mark.parametrize("name", recipes.names())
def test_runs_survive_json(name: str) -> None:
    """The two networks, too, which a checkpoint tells apart."""
    run = recipes.find(name)
    assert TypeAdapter(RunSettings).validate_python(json.loads(json.dumps(asdict(run)))) == run


@pytest.mark.parametrize("network", [UNet(), UNet(mults=(1,), attention=(0,)), TenChannelUNet()])
def test_networks_survive_json(network: UNet | TenChannelUNet) -> None:
    run = RunSettings("mine", network=network)
    back = TypeAdapter(RunSettings).validate_python(json.loads(json.dumps(asdict(run))))
    assert back == run
    assert type(back.network) is type(network)


@pytest.mark.parametrize("interval", [None, (0.0, INF), (0.25, 5.0)])
def test_guidance_survives_json(interval: tuple[float, float] | None) -> None:
    """As provenance keeps it: tuples become lists, and no end stays none."""
    sampling = Sampling(scale=1.5, interval=interval, rescale=0.7, label="7")
    back = Sampling(**json.loads(json.dumps(asdict(sampling))))
    assert (back.scale, back.rescale, back.label) == (1.5, 0.7, "7")
    assert interval is None or tuple(back.interval) == interval


def test_numbers_survive_json() -> None:
    run = RunSettings("mine", training=replace(Training(), lr=1 / 3, weight_decay=5e-324, seed=2**63 - 1))
    assert TypeAdapter(RunSettings).validate_python(json.loads(json.dumps(asdict(run)))) == run


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Training().lr = 1.0  # type: ignore[misc]

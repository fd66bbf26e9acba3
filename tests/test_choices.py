"""The table of names: every row is there, and every name that is none is refused with the nearest one."""

from dataclasses import replace
from typing import Any

import pytest

from inkwash import choices
from inkwash.choices import Choice, Choices
from inkwash.errors import UsageError
from inkwash.settings import Conditioning, Process, Sampler, Training

ROWS = [(kind, row) for kind in choices.ALL for row in kind]


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=lambda each: getattr(each, "name", None) or each.kind)
def test_every_row_is_there(kind: Choices, row: Choice) -> None:
    assert callable(row.load())
    assert kind.load(row.name) == row.load()
    assert kind.check(row.name) == row.name
    assert f"{row.name}: {row.help}" in kind.help
    assert not row.help.endswith(".")


@pytest.mark.parametrize("kind", choices.ALL, ids=lambda kind: kind.kind)
def test_names_are_unique(kind: Choices) -> None:
    assert len(set(kind.names)) == len(kind.rows)


@pytest.mark.parametrize(
    ("owner", "field", "name", "said"),
    [
        (
            Sampler,
            "solver",
            "huen",
            "there is no solver 'huen'. Did you mean heun? The solvers are ddpm, ddim, ddim-lab",
        ),
        (Sampler, "spacing", "Trailing", "there is no spacing 'Trailing'. Did you mean trailing?"),
        (Sampler, "limit", "clap", "there is no limit 'clap'. Did you mean clip?"),
        (Process, "schedule", "cosinus", "there is no schedule 'cosinus'. Did you mean cosine?"),
        (Process, "prediction", "noise", "there is no prediction 'noise'. The predictions are eps, x0, v, flow, edm"),
        (Training, "draw", "normal", "there is no draw 'normal'."),
        (Training, "weight", "minsnr", "there is no weight 'minsnr'. Did you mean min-snr?"),
        (Training, "optimizer", "adam", "there is no optimizer 'adam'. Did you mean adamw?"),
        (Conditioning, "condition", "label", "there is no condition 'label'. The conditions are none, class, text"),
    ],
)
def test_another_name_is_refused(owner: Any, field: str, name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(owner(), **{field: name})
    assert str(caught.value).startswith(said)
    assert "FILE.py:NAME" in str(caught.value)


def test_of_the_offered_arguments_those_that_are_named_are_given() -> None:
    def three(a: int, b: int = 2, *, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    assert choices.call(three, a=1, c=5, d=7) == (1, 2, 5)
    assert choices.takes(three, "c")
    assert not choices.takes(three, "d")

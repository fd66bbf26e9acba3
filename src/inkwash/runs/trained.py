"""Restoring with a run that was trained to restore: its operator and noise, and what its network is told."""

from collections.abc import Sequence
from dataclasses import replace

from inkwash import choices
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, make_method, make_operator, same
from inkwash.runs.conditions import ReadsMeasurements
from inkwash.runs.degrade import Measured
from inkwash.runs.guidance import Guided, guided
from inkwash.runs.model import Model
from inkwash.settings import RESTORING_METHOD, Restoring, Sampling


def settled(model: Model, asked: Restoring) -> Restoring:
    """The request with a method, and with the run's own operator and noise if the method is trained.

    Raises UsageError for another operator or noise than the run was trained with, and for a trained method on a run
    that was not trained to restore.
    """
    kind = model.condition
    method = asked.method or str(getattr(kind, "restores_with", RESTORING_METHOD))
    asked = replace(asked, method=method)
    if not getattr(make_method(method), "trained", False):
        return asked
    if not isinstance(kind, ReadsMeasurements):
        raise UsageError(
            f"{model.name} was not trained to restore, as the method {method} needs; train a run with "
            f"`condition='image'`, or take `method={RESTORING_METHOD!r}`."
        )
    other = asked.operator is not None and asked.operator != kind.spec
    if (other and not _is(asked.operator or "", kind)) or asked.noise not in (0.0, kind.noise):
        raise UsageError(
            f"{model.name} was trained to restore what went through {kind.spec} with noise {kind.noise:g}; leave out "
            "`operator` and `noise`, or take a run without a condition, which restores from any operator."
        )
    return replace(asked, operator=kind.spec, noise=kind.noise)


def _is(spec: str, kind: ReadsMeasurements) -> bool:
    """Whether a flag names the run's operator in other words; one that draws at random is the run's by name alone."""
    return same(make_operator(spec, kind.operator.shape), kind.operator)


def reads(model: Model, asked: Restoring) -> ReadsMeasurements | None:
    """What tells the network of a measurement; None if the method is for networks that read none."""
    kind = model.condition
    trained = getattr(make_method(asked.method or RESTORING_METHOD), "trained", False)
    return kind if trained and isinstance(kind, ReadsMeasurements) else None


def check_measured(model: Model, kind: ReadsMeasurements, found: Sequence[Measured]) -> None:
    """Raises UsageError unless the run was trained on measurements such as these."""
    for each in found:
        measured = each.measurement
        if measured.std != kind.noise or not same(measured.operator, kind.operator):
            raise UsageError(
                f"{each.facts.get('name', 'the measurement')} was measured otherwise than by {kind.spec} with noise "
                f"{kind.noise:g}, which {model.name} was trained to restore; measure it so, or take a run without a "
                "condition."
            )


def told(model: Model, sampling: Sampling, kind: ReadsMeasurements, measured: Measurement) -> Guided:
    """The denoiser that reads a measurement, for any number of restorations of it.

    Raises UsageError for a request for something else, or for guidance that the run does not support.
    """
    if sampling.label is not None or sampling.text:
        raise UsageError(f"{model.name} is told what was measured, and nothing else; leave out `label` and `text`.")
    if sampling.guidance != "free":
        raise UsageError(f"{model.name} restores without a classifier; leave out `guidance`.")
    row = kind.row(measured)
    return guided(model, sampling, lambda indices: row.expand(len(indices), *row.shape[1:]))


def methods_without() -> list[str]:
    """The names of the methods for networks that read no measurement."""
    return [row.name for row in choices.METHODS if not getattr(row.load(), "trained", False)]

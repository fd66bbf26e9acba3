"""Every method against exact posteriors: how far its mean, its spread and its modes are from the truth."""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash import own
from inkwash.core import Cosine, Seeded, karras, mix, prior
from inkwash.denoise import CorrelatedMixture
from inkwash.errors import UsageError
from inkwash.inverse.exact import Posterior, posterior_of
from inkwash.inverse.measurement import Measurement, measure
from inkwash.inverse.method import Method, Walk, particles_of, serves
from inkwash.inverse.spec import make_method, make_operator
from inkwash.sample import DPMpp2M, last, sample

SHAPE = (1, 6, 6)
FLOOR = "exact samples"  # the row of exact posterior samples, of the same number

_FREE = 1e-3  # pixels of less exact standard deviation are determined by y


@dataclass(frozen=True)
class Row:
    """One method on one problem. Errors of the mean are in standard deviations of the prior."""

    prior: str
    operator: str
    noise: float
    method: str
    mean: float  # root mean square over pixels of (mean − exact)/sd of the prior
    spread: float  # mean over the pixels of sd/exact sd
    scatter: float  # root mean square over the pixels of sd/exact sd − 1
    mode: float | None  # probability of the first mode less the exact one
    distance: float  # sliced Wasserstein distance to exact samples, in standard deviations of the prior
    evaluations: float  # of the denoiser, for each restoration
    seconds: float
    refused: str = ""  # why the method cannot serve this problem; the numbers are then nan


def priors() -> dict[str, CorrelatedMixture]:
    """Priors of 6×6 pixels of standard deviation 0.25: a smooth Gaussian, a white one, and two smooth ones.

    The two differ by a bump in the middle, so that a hole there hides which of them it is.
    """
    at = torch.cartesian_prod(torch.arange(SHAPE[1]), torch.arange(SHAPE[2])).double()
    cov = 0.25**2 * (0.95 * torch.exp(-(torch.cdist(at, at) ** 2) / (2 * 1.5**2)) + 0.05 * torch.eye(len(at)))
    mean = torch.linspace(-0.1, 0.1, len(at), dtype=torch.float64).view(1, *SHAPE)
    bump = torch.exp(-((at - at.mean(0)) ** 2).sum(1) / 2).view(1, *SHAPE)
    one = torch.ones(1, dtype=torch.float64)
    two = torch.tensor([1.0, 2.0], dtype=torch.float64)
    return {
        "gaussian": CorrelatedMixture(mean, cov[None], one),
        "white": CorrelatedMixture(mean, 0.25**2 * torch.eye(len(at)).double()[None], one),
        "two modes": CorrelatedMixture(torch.cat([mean - 0.5 * bump, mean + 0.5 * bump]), cov.expand(2, -1, -1), two),
    }


class Problem(NamedTuple):
    """A prior by its name, an operator and a noise."""

    prior: str
    operator: str
    noise: float


def problems(operators: Sequence[str], noises: Sequence[float], methods: Sequence[str]) -> list[Problem]:
    """All problems, in the order of the table. Raises UsageError for wrong names or noise, or a nonlinear operator."""
    for spec in methods:
        make_method(spec)
    for spec in operators:
        if not make_operator(spec, SHAPE).linear:
            raise UsageError(f"the operator {spec} is not linear, so its posterior is not known exactly.")
    if wrong := [noise for noise in noises if not 0 <= noise < math.inf]:
        raise UsageError(f"a `noise` is a standard deviation of at least 0 (got {wrong[0]:g}).")
    return [Problem(*each) for each in product(priors(), operators, noises)]


def rows(problem: Problem, methods: Sequence[str], n: int, steps: int, seed: int) -> list[Row]:
    """Measures each method with n restorations of one measurement, in float64; and exact samples, first.

    Methods with their own solver make three times the steps: theirs are of first order, and the others walk with
    DPM-Solver++(2M) at η = 1. Karras spacing.
    """
    of = priors()[problem.prior]
    operator = make_operator(problem.operator, SHAPE, seed)
    measured = measure(operator, of.sample(1, mix(seed, 1) & 0xFFFF), problem.noise, seed)
    exact = posterior_of(of, measured)
    floor = _row(of, exact, measured, (*problem, FLOOR), exact.sample(n, seed + 1), 0.0, 0.0)
    return [floor, *(_measured(of, exact, measured, (*problem, each), n, steps, seed) for each in methods)]


def table(
    todo: Sequence[Problem], methods: Sequence[str], n: int, steps: int, seed: int, jobs: int
) -> Iterator[list[Row]]:
    """The rows of each problem, by `jobs` processes of one thread each; the same numbers for any number of them."""
    ask = partial(rows, methods=methods, n=n, steps=steps, seed=seed)
    if jobs == 1:
        yield from map(ask, todo)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (own.permits(),)) as pool:
        yield from pool.map(ask, todo)


def _begin(permits: own.Permits) -> None:
    own.adopt(permits)
    torch.set_num_threads(1)


def _measured(
    of: CorrelatedMixture,
    exact: Posterior,
    measured: Measurement,
    labels: tuple[str, str, float, str],
    n: int,
    steps: int,
    seed: int,
) -> Row:
    method, started = make_method(labels[-1]), time.perf_counter()
    why = serves(method, measured)
    calls = 0

    def counted(x: Tensor, level: object) -> Tensor:
        nonlocal calls
        calls += len(x)
        return of(x, level)  # type: ignore[arg-type]

    if not why:
        try:
            x = _drawn(method, counted, measured, n, steps, seed)
        except UsageError as error:
            why = str(error)
    if why:
        return Row(*labels, *(math.nan,) * 3, None, *(math.nan,) * 3, refused=why)
    return _row(of, exact, measured, labels, x, calls / len(x), time.perf_counter() - started)


def _drawn(method: Method, denoise: object, measured: Measurement, n: int, steps: int, seed: int) -> Tensor:
    schedule = Cosine()
    particles = particles_of(method)
    chains = -(-n // particles) * particles  # all particles count, as a weighted filter has one answer
    long = 3 * steps if getattr(method, "own_solver", False) and particles == 1 else steps
    start = Walk(denoise, karras(schedule, long), DPMpp2M.with_eta(1.0))  # type: ignore[arg-type]
    walk = method(start, measured, schedule)
    noise = Seeded(seed, range(chains))
    x = prior(noise, walk.plan[0], torch.empty(chains, *SHAPE, dtype=torch.float64))
    return last(sample(walk.denoise, x, walk.plan, walk.solver, noise))


def _row(
    of: CorrelatedMixture,
    exact: Posterior,
    measured: Measurement,
    labels: tuple[str, str, float, str],
    x: Tensor,
    evaluations: float,
    seconds: float,
) -> Row:
    std = of.std()
    mean = ((x.mean(0) - exact.mean()) / std).square().mean().sqrt()
    free = exact.std() > _FREE
    ratio = x.std(0)[free] / exact.std()[free] if free.any() else torch.ones(1)
    scatter = (ratio - 1).square().mean().sqrt()
    mode = None
    if len(of.means) > 1:
        weight = exact.weights[0]  # type: ignore[attr-defined]
        nearest = torch.cdist(x.flatten(1), of.means.flatten(1)).argmin(1)
        truly = torch.cdist(exact.sample(4000, 9).flatten(1), of.means.flatten(1)).argmin(1)
        mode = float((nearest == 0).double().mean() - (truly == 0).double().mean()) if float(weight) > 0 else 0.0
    others = exact.sample(len(x), 5)
    distance = sliced_wasserstein(x / std, others / std)
    return Row(
        *labels,
        float(mean),
        float(ratio.mean()),
        float(scatter),
        mode,
        distance,
        evaluations,
        seconds,
    )


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 64) -> float:
    """The mean over random directions of the 1-Wasserstein distance of two sets of as many images."""
    generator = torch.Generator().manual_seed(0)
    ways = torch.randn(a[0].numel(), directions, generator=generator, dtype=torch.float64)
    ways = ways / ways.norm(dim=0)
    along = [(each.flatten(1).double() @ ways).sort(0).values for each in (a, b)]
    return float((along[0] - along[1]).abs().mean())

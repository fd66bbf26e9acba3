"""Conjugate gradients: exact where the operator is what it should be, and harmless where a network makes it less."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from inkwash.inverse.solve import conjugate_gradients


def system(n: int, seed: int, asymmetry: float = 0.0) -> tuple[Tensor, Tensor]:
    """A matrix with eigenvalues from 0.01 to 10, and right-hand sides [4,n]."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    matrix = basis @ torch.diag(torch.logspace(-2, 1, n, dtype=torch.float64)) @ basis.T
    noise = torch.randn(n, n, generator=generator, dtype=torch.float64)
    return matrix + asymmetry * noise, torch.randn(4, n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_as_many_iterations_as_unknowns_solve_it(seed: int) -> None:
    matrix, b = system(12, seed)
    found = conjugate_gradients(lambda v: v @ matrix.T, b, 60, 1e-12, least=0.01)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, b.T).T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asymmetry", [0.3, 1.0, 3.0])
def test_more_iterations_are_never_worse(asymmetry: float, seed: int) -> None:
    """A network's Jacobian is not symmetric. Plain conjugate gradients then diverge; here the best iterate is kept."""
    matrix, b = system(40, seed, asymmetry)

    def residual(iterations: int) -> Tensor:
        found = conjugate_gradients(lambda v: v @ matrix.T, b, iterations, 1e-9)
        return (b - found @ matrix.T).norm(dim=1)

    sizes = [residual(iterations) for iterations in (1, 2, 3, 5, 10, 40)]
    for fewer, more in pairwise(sizes):
        assert (more <= fewer * (1 + 1e-9)).all()


def test_a_row_stops_where_its_curvature_is_below_the_least() -> None:
    """A measurement's noise adds σ² to every eigenvalue, so that less is an error of the network."""
    b = torch.ones(2, 3, dtype=torch.float64)
    scale = torch.tensor([[2.0], [0.5]], dtype=torch.float64)
    found = conjugate_gradients(lambda v: scale * v, b, 5, 1e-9, least=1.0)
    torch.testing.assert_close(found, torch.tensor([[0.5] * 3, [0.0] * 3], dtype=torch.float64))

"""Laws of every row of OPERATORS: adjoint, pseudo-inverse, singular values, and refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash import choices
from inkwash.errors import UsageError
from inkwash.inverse import Operator, make_operator
from inkwash.inverse.operator import matrix_of

SHAPES = {"grey": (3, 6, 5)}
SPECS = [
    "mask:box", "mask:border:3", "mask:half", "mask:random:0.3", "downsample:2", "downsample:3:bicubic",
    "downsample:1.7", "blur:1", "blur:motion:5:30", "lowpass:2", "grey", "fourier:0.4", "fourier:0.3:radial",
    "fourier:0.3:poisson", "projection:0.3", "clip:2", "quantize:4", "jpeg:20", "phase:2",
]  # fmt: skip
LINEAR = SPECS[: SPECS.index("clip:2")]


def made(spec: str) -> Operator:
    return make_operator(spec, SHAPES.get(spec, (1, 8, 7)))


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_every_row_is_tested() -> None:
    assert {spec.partition(":")[0] for spec in SPECS} == set(choices.OPERATORS.names)
    assert [spec for spec in SPECS if made(spec).linear] == LINEAR


@pytest.mark.parametrize("spec", LINEAR)
def test_adjoint(spec: str) -> None:
    """⟨A·x, y⟩ = ⟨x, Aᵀ·y⟩, and Aᵀ is also what automatic differentiation gives."""
    operator = made(spec)
    x = randn(2, *operator.shape)
    y = randn(*operator.forward(x).shape, seed=1)
    left, right = (operator.forward(x) * y).sum(), (x * operator.adjoint(y)).sum()
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(Operator.adjoint(operator, y), operator.adjoint(y), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spec", LINEAR)
def test_singular_values(spec: str) -> None:
    """Uᵀ·A = s·Vᵀ, V is orthonormal, and s are the matrix's singular values."""
    operator = made(spec)
    svd = operator.svd
    assert svd is not None
    x, z = randn(3, *operator.shape), randn(3, *operator.shape, seed=2)
    torch.testing.assert_close(svd.v(svd.v_t(x)), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close((svd.v(z) ** 2).sum(), (z**2).sum(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(svd.u_t(operator.forward(x)), svd.s * svd.v_t(x), rtol=1e-9, atol=1e-9)
    wanted = torch.linalg.svdvals(matrix_of(operator))
    wanted = wanted[wanted > 1e-4 * wanted.max()]
    got = svd.s.expand(operator.shape).flatten().sort(descending=True).values
    torch.testing.assert_close(got[: len(wanted)], wanted, rtol=1e-9, atol=1e-9)
    assert not got[len(wanted) :].any()


@pytest.mark.parametrize("spec", LINEAR)
def test_pseudo_inverse(spec: str) -> None:
    """A⁺·y is the matrix's, but for singular values below the cut; A·A⁺·A = A."""
    operator = made(spec)
    x = randn(2, *operator.shape)
    y = operator.forward(x)
    torch.testing.assert_close(operator.forward(operator.pinv(y)), y, rtol=1e-3, atol=1e-3)
    matrix = torch.linalg.pinv(matrix_of(operator), rtol=1e-4)
    torch.testing.assert_close(operator.pinv(y).flatten(1), y.flatten(1) @ matrix.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("spec", ["downsample:2", "mask:box", "blur:1"])
def test_an_operator_with_forward_alone(spec: str) -> None:
    """Adjoint, singular values and pseudo-inverse follow from `forward`; conjugate gradients agree with them."""
    closed = made(spec)

    class Own(Operator):
        def forward(self, x):
            return closed.forward(x)

    class Large(Own):
        svd = None  # as for images of more than 1,024 values

    y = closed.forward(randn(2, *closed.shape))
    for kind in (Own, Large):
        own = kind(closed.shape)
        for ridge in (0.0, 0.1) if kind is Own or spec != "blur:1" else (0.1,):
            got, wanted = own.correction(y, ridge), closed.correction(y, ridge)
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_area_and_blur_keep_the_mean() -> None:
    x = randn(1, 1, 8, 7)
    for spec in ("downsample:2:area", "downsample:3", "blur:2", "blur:motion:5"):
        flat = torch.full_like(x, 0.3)
        torch.testing.assert_close(made(spec).forward(flat).mean(), torch.tensor(0.3).double())
    torch.testing.assert_close(made("blur:2").forward(x).mean(), x.mean())


def test_downsample_is_the_mean_of_squares() -> None:
    x = randn(1, 2, 8, 6)
    small = make_operator("downsample:2", (2, 8, 6)).forward(x)
    torch.testing.assert_close(small, torch.nn.functional.avg_pool2d(x, 2))


def test_a_narrow_blur_changes_nothing_and_a_shifted_kernel_shifts(tmp_path: Path) -> None:
    x = randn(1, 1, 8, 7)
    torch.testing.assert_close(made("blur:0").forward(x), x)
    kernel = np.zeros((3, 3), np.uint8)
    kernel[1, 2] = 200
    Image.fromarray(kernel).save(tmp_path / "k.png")
    operator = made(f"blur:{tmp_path / 'k.png'}")
    torch.testing.assert_close(operator.forward(x), x.roll(1, 3))
    assert operator.files == (tmp_path / "k.png",)


@pytest.mark.parametrize("pattern", ["cartesian", "radial", "poisson"])
def test_fourier_keeps_the_centre_and_about_the_share(pattern: str) -> None:
    operator = make_operator(f"fourier:0.25:{pattern}", (1, 32, 32))
    assert operator.kept[0, 0]
    assert 0.15 < operator.kept.float().mean() < 0.4
    x = randn(1, 1, 32, 32)
    zero_filled = operator.pinv(operator.forward(x))
    seen = torch.fft.fft2(x)[..., operator.kept]
    torch.testing.assert_close(torch.fft.fft2(zero_filled)[..., operator.kept], seen, rtol=1e-9, atol=1e-9)
    assert torch.equal(make_operator(f"fourier:0.25:{pattern}", (1, 32, 32)).kept, operator.kept)


def test_jpeg_is_pillows(tmp_path: Path) -> None:
    """The same pixels as libjpeg's to its rounding."""
    smooth = torch.nn.functional.interpolate(randn(1, 1, 4, 4), (16, 16), mode="bicubic").clamp(-2, 2) / 2
    pixels = ((smooth[0, 0] + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "a.jpg", quality=20)
    wanted = torch.from_numpy(np.array(Image.open(tmp_path / "a.jpg"))).double()
    got = make_operator("jpeg:20", (1, 16, 16)).forward(pixels.double()[None, None] / 127.5 - 1)[0, 0]
    assert ((got + 1) * 127.5 - wanted).abs().max() < 1.5


def test_the_nonlinear_have_gradients() -> None:
    for spec in ("clip:2", "quantize:4", "jpeg:20", "phase:2"):
        operator = made(spec)
        x = (0.3 * randn(1, *operator.shape)).requires_grad_()
        operator.forward(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.abs().max() > 0
        assert operator.picture(operator.forward(x.detach())).shape == (1, *operator.shape)


def test_refusals(tmp_path: Path) -> None:
    shape = (1, 8, 8)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    Image.fromarray(np.full((4, 8), 255, np.uint8)).save(tmp_path / "small.png")
    for spec, word in [
        (f"mask:{tmp_path / 'black.png'}", "no hole"),
        (f"mask:{tmp_path / 'small.png'}", "4×8 pixels"),
        ("mask:nowhere.png", "no mask"),
        ("mask:random:1", "every pixel"),
        ("grey", "3 channels"),
        ("downsample:99", "factor of downsample"),
        ("blur:wide", "standard deviation of blur"),
        ("fourier:2", "share"),
        ("fourier:0.2:spiral", "cartesian, radial, poisson"),
        ("blurr:2", "Did you mean blur"),
    ]:
        with pytest.raises(UsageError, match=word):
            make_operator(spec, shape)

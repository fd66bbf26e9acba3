"""What a network is told, and that nothing asked is one and the same nothing, whatever the value."""

import hashlib
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash.core import Cosine, V
from inkwash.denoise import Denoiser
from inkwash.nets import Concat, CondEmbedding, Condition, ConditionedNet, OneHot, UNet, Vector
from inkwash.nets.blocks import CrossAttention
from inkwash.nets.text import TextEmbedder

B, HEIGHT, WIDTH = 4, 6, 5
T = torch.tensor([3, 250, 500, 999])
KEPT = torch.tensor([True, False, True, False])
ALL, NONE = torch.ones(B, dtype=torch.bool), torch.zeros(B, dtype=torch.bool)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


X = randn(B, 1, HEIGHT, WIDTH, seed=9)

# each with values of its kind; no two seeds ask an image for the same
EMBEDDERS: dict[str, tuple[Callable[[], Any], Callable[[int], Tensor]]] = {
    "OneHot": (lambda: OneHot(5), lambda seed: (torch.arange(B) + seed) % 5),
    "Vector": (lambda: Vector(7), lambda seed: randn(B, 7, seed=seed)),
    "Beside": (lambda: Concat(2), lambda seed: randn(B, 2, HEIGHT, WIDTH, seed=seed)),
    "TextEmbedder": (
        lambda: TextEmbedder(50, width=16, layers=1, heads=2, words=3),
        lambda seed: torch.randint(1, 50, (B, 3, 12), generator=seeded(seed)),
    ),
}
each = pytest.mark.parametrize("name", EMBEDDERS)


def awake(net: nn.Module) -> nn.Module:
    """With weights in the layers that begin as zeros, as after training."""
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    return net.eval()


def made(name: str) -> tuple[ConditionedNet, Callable[[int], Tensor]]:
    """A conditioned U-Net that reads all that its embedder gives, and values to ask it for."""
    torch.manual_seed(0)
    embedder, values = EMBEDDERS[name][0](), EMBEDDERS[name][1]
    wide = {"vector": embedder.vector, "tokens": embedder.tokens, "concat": embedder.concat}
    return awake(ConditionedNet(UNet(channels=8, mults=(1, 2), blocks=1, **wide), embedder)), values


# ---- embedders


@each
def test_conds_are_of_the_widths_stated(name: str) -> None:
    embedder, values = EMBEDDERS[name][0](), EMBEDDERS[name][1](0)
    for value in (values, embedder.null(X)):
        assert value.dtype == values.dtype
        assert value.shape[0] == B
        cond = embedder(value, KEPT)
        assert (cond.vector is None) == (embedder.vector == 0)
        assert (cond.tokens is None) == (embedder.tokens == 0)
        assert (cond.concat is None) == (embedder.concat == 0)
        if cond.vector is not None:
            assert cond.vector.shape == (B, embedder.vector)
        if cond.tokens is not None:
            assert (cond.tokens.shape[0], cond.tokens.shape[2]) == (B, embedder.tokens)
            assert cond.mask is not None
            assert cond.mask.shape == cond.tokens.shape[:2]
            assert cond.mask.any(1).all()
        if cond.concat is not None:
            assert cond.concat.shape == (B, embedder.concat, HEIGHT, WIDTH)


def meaning(cond: CondEmbedding) -> list[Tensor]:
    """The numbers that count, of each part."""
    tokens = [] if cond.tokens is None else [cond.mask, cond.tokens[cond.mask]]
    return tokens + [part for part in (cond.vector, cond.concat) if part is not None]


@each
def test_nothing_asked_is_one_nothing_whatever_the_value(name: str) -> None:
    embedder, values = EMBEDDERS[name][0](), EMBEDDERS[name][1]
    nothing = meaning(embedder(embedder.null(X), NONE))
    for seed in range(5):
        for got, expected in zip(meaning(embedder(values(seed), NONE)), nothing, strict=True):
            assert torch.equal(got, expected)
    asked = meaning(embedder(values(0), ALL))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(asked, nothing, strict=True))


def test_what_the_plain_embedders_give() -> None:
    """One-hot rows, the vectors and the images themselves; zeros for nothing."""
    one_hot = OneHot(5)(torch.tensor([4, 0, 2, 2]), KEPT)
    assert one_hot.vector.tolist() == [[0, 0, 0, 0, 1], [0] * 5, [0, 0, 1, 0, 0], [0] * 5]
    vectors, images = randn(B, 7), randn(B, 2, HEIGHT, WIDTH)
    told = Vector(7)(vectors, KEPT).vector
    assert torch.equal(told, torch.where(KEPT[:, None], vectors, torch.zeros(())))
    concat = Concat(2)(images, KEPT).concat
    for i, present in enumerate(KEPT):
        assert torch.equal(concat[i, :2], images[i] if present else torch.zeros_like(images[i]))
        assert (concat[i, 2] == float(present)).all()


# ---- a conditioned network


@each
def test_none_is_a_value_that_is_not_kept_and_a_bare_value_one_that_is(name: str) -> None:
    net, values = made(name)
    with torch.no_grad():
        nothing, something = net(X, T), net(X, T, values(0))
        assert torch.equal(net(X, T, None), nothing)
        for seed in range(3):
            assert torch.equal(net(X, T, Condition(values(seed), NONE)), nothing)
        assert torch.equal(net(X, T, Condition(values(0), ALL)), something)
        assert (something - nothing).abs().amax((1, 2, 3)).min() > 1e-4


@each
def test_what_is_asked_of_one_image_is_of_no_other(name: str) -> None:
    """To rounding for parts of a batch, and to the last bit where another image is asked for something else."""
    net, values = made(name)
    with torch.no_grad():
        mixed = net(X, T, Condition(values(0), KEPT))
        told, free = net(X, T, values(0)), net(X, T)
        torch.testing.assert_close(mixed, torch.where(KEPT.view(-1, 1, 1, 1), told, free), rtol=1e-4, atol=1e-5)
        for i in range(B):
            alone = net(X[i : i + 1], T[i : i + 1], Condition(values(0)[i : i + 1], KEPT[i : i + 1]))
            torch.testing.assert_close(alone[0], mixed[i], rtol=1e-4, atol=1e-5)
        others = values(1)
        others[1:] = values(0)[1:]
        changed = net(X, T, Condition(others, KEPT))
        assert torch.equal(changed[1:], mixed[1:])
        assert not torch.equal(changed[0], mixed[0])


@pytest.mark.parametrize("name", ["Vector", "Beside"])
def test_no_gradient_reaches_a_value_that_is_not_kept(name: str) -> None:
    net, values = made(name)
    value = values(0).requires_grad_()
    net(X, T, Condition(value, KEPT)).square().sum().backward()
    reached = value.grad.flatten(1).abs().amax(1)
    assert (reached[~KEPT] == 0).all()
    assert (reached[KEPT] > 0).all()


def test_no_gradient_reaches_the_embedding_of_a_class_that_is_not_kept() -> None:
    net, _ = made("OneHot")
    net(X, T, Condition(torch.tensor([0, 1, 3, 4]), KEPT)).square().sum().backward()
    reached = net.net.cond_embed[0].weight.grad.abs().amax(0)  # one column a class
    assert (reached > 0).tolist() == [True, False, False, True, False]


def test_no_gradient_reaches_words_that_are_not_kept() -> None:
    net, _ = made("TextEmbedder")
    value = torch.zeros(B, 3, 12, dtype=torch.int64)
    value[:, 0, 0] = torch.tensor([11, 12, 13, 14])
    net(X, T, Condition(value, KEPT)).square().sum().backward()
    reached = net.embedder.table.grad.abs().amax(1) > 0
    assert reached.nonzero().flatten().tolist() == [11, 13]


def test_a_black_image_beside_is_not_nothing() -> None:
    net, _ = made("Beside")
    with torch.no_grad():
        assert (net(X, T, torch.zeros(B, 2, HEIGHT, WIDTH)) - net(X, T)).abs().amax((1, 2, 3)).min() > 1e-4


def test_the_embedding_of_a_class_is_a_row_of_a_table() -> None:
    net, _ = made("OneHot")
    labels, first = torch.tensor([4, 0, 2, 2]), net.net.cond_embed[0]
    got = first(net.embedder(labels, ALL).vector)
    torch.testing.assert_close(got, first.weight.T[labels] + first.bias)


def test_a_denoiser_is_given_labels() -> None:
    net, values = made("OneHot")
    denoiser, level = Denoiser(net, V()), Cosine().at(0.5)
    with torch.no_grad():
        given = denoiser.given(values(0))(X, level)
        assert torch.equal(given, denoiser(X, level, values(0)))
        assert not torch.equal(given, denoiser.given(None)(X, level))
        assert torch.equal(denoiser.given(None)(X, level), denoiser(X, level))


# ---- tokens


def attended(layer: CrossAttention, x: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Place by place and head by head: softmax(q·k/√d) over the tokens that count, round a skip."""
    out = x.clone()
    wide = x.shape[1] // layer.heads
    normed = layer.norm(x)
    for b in range(len(x)):
        heard = [layer.key_value(token) for token, counts in zip(tokens[b], mask[b], strict=True) if counts]
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                q, parts = layer.query(normed[b, :, i, j]), []
                for h in range(layer.heads):
                    own = slice(h * wide, (h + 1) * wide)
                    keys = torch.stack([each[: x.shape[1]][own] for each in heard])
                    held = torch.stack([each[x.shape[1] :][own] for each in heard])
                    parts.append(torch.softmax(keys @ q[own] / math.sqrt(wide), 0) @ held)
                out[b, :, i, j] += layer.out(torch.cat(parts))
    return out


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_cross_attention_place_by_place(heads: int) -> None:
    torch.manual_seed(1)
    layer = awake(CrossAttention(8, 6, heads)).double()
    x, tokens = randn(2, 8, 3, 2, dtype=torch.float64), randn(2, 5, 6, seed=1, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True, False], [False, False, False, True, False]])
    with torch.no_grad():
        expected = attended(layer, x, tokens, mask)
        torch.testing.assert_close(layer(x, tokens, mask), expected, rtol=1e-10, atol=1e-12)
        every = attended(layer, x, tokens, torch.ones_like(mask))
        torch.testing.assert_close(layer(x, tokens), every, rtol=1e-10, atol=1e-12)


def listening() -> UNet:
    torch.manual_seed(2)
    return awake(UNet(channels=8, mults=(1, 2), blocks=1, attention=(1,), heads=2, tokens=6))


def test_masked_tokens_change_nothing() -> None:
    """To the last bit; and without them there is the same to rounding."""
    net, tokens = listening(), randn(B, 5, 6)
    mask = torch.tensor([[True, True, False, True, False]]).expand(B, -1)
    other = torch.where(mask[..., None], tokens, 100 * randn(B, 5, 6, seed=1))
    with torch.no_grad():
        out = net(X, T, CondEmbedding(tokens=tokens, mask=mask))
        assert torch.equal(net(X, T, CondEmbedding(tokens=other, mask=mask)), out)
        torch.testing.assert_close(net(X, T, CondEmbedding(tokens=tokens[:, mask[0]])), out, rtol=1e-4, atol=1e-5)
        heard = tokens.clone()
        heard[:, 3] += 1
        assert (net(X, T, CondEmbedding(tokens=heard, mask=mask)) - out).abs().amax((1, 2, 3)).min() > 1e-4


def test_tokens_have_no_order_and_saying_all_twice_says_no_more() -> None:
    net, tokens, order = listening(), randn(B, 5, 6), [3, 0, 4, 1, 2]
    mask = randn(B, 5, seed=3) > -0.5
    assert mask.any(1).all()
    with torch.no_grad():
        out = net(X, T, CondEmbedding(tokens=tokens, mask=mask))
        for moved in (
            CondEmbedding(tokens=tokens[:, order], mask=mask[:, order]),
            CondEmbedding(tokens=tokens.repeat(1, 2, 1), mask=mask.repeat(1, 2)),
        ):
            torch.testing.assert_close(net(X, T, moved), out, rtol=1e-4, atol=1e-5)


def test_one_token_is_enough() -> None:
    """Whether it is the only one, or the only one that counts."""
    net, tokens = listening(), randn(B, 5, 6)
    mask = torch.zeros(B, 5, dtype=torch.bool)
    mask[:, 2] = True
    with torch.no_grad():
        alone = net(X, T, CondEmbedding(tokens=tokens[:, 2:3]))
        assert alone.isfinite().all()
        torch.testing.assert_close(net(X, T, CondEmbedding(tokens=tokens, mask=mask)), alone, rtol=1e-4, atol=1e-5)


# ---- checkpoints


def test_a_network_that_is_told_nothing_is_as_it_was_before_there_was_anything_to_tell() -> None:
    """The names and shapes of its weights, in their order: runs from then load."""
    plain = UNet(channels=8, mults=(1, 2), blocks=1, attention=(1,)).state_dict()
    listed = repr([(name, tuple(tensor.shape)) for name, tensor in plain.items()])
    assert len(plain) == 128
    assert hashlib.sha256(listed.encode()).hexdigest()[:16] == "65deea01bf82a7c6"
    told = UNet(channels=8, mults=(1, 2), blocks=1, attention=(1,), vector=3, tokens=4).state_dict()
    assert [name for name in told if "cond_embed" not in name and "cross_attention" not in name] == list(plain)
    assert all(told[name].shape == tensor.shape for name, tensor in plain.items())


@each
def test_a_conditioned_network_is_restored_from_its_weights(name: str) -> None:
    net, values = made(name)
    torch.manual_seed(7)
    embedder = EMBEDDERS[name][0]()
    wide = {"vector": embedder.vector, "tokens": embedder.tokens, "concat": embedder.concat}
    again = ConditionedNet(UNet(channels=8, mults=(1, 2), blocks=1, **wide), embedder).eval()
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(again(X, T, values(0)), net(X, T, values(0)))

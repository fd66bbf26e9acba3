import pytest
import torch
from torch import Tensor

from inkwash.nets.condition import CondEmbedding, Condition, ConditionedNet, Embedder
from inkwash.nets.text import BUCKETS, IDS, WORDS, TextEmbedder


@pytest.fixture
def embedder() -> TextEmbedder:
    torch.manual_seed(0)
    return TextEmbedder(width=32)


def rows(*lengths: int, seed: int = 0, words: int = WORDS) -> Tensor:
    """Texts of so many words, each of 1 to 12 ids."""
    drawn = torch.Generator().manual_seed(seed)
    value = torch.zeros(len(lengths), words, IDS, dtype=torch.int64)
    for row, length in zip(value, lengths, strict=True):
        for word in row[:length]:
            n = int(torch.randint(1, IDS + 1, (), generator=drawn))
            word[:n] = torch.randint(1, BUCKETS, (n,), generator=drawn)
    return value


def read(embedder: TextEmbedder, value: Tensor, present: bool = True) -> CondEmbedding:
    return embedder(value, torch.full((len(value),), present))


def close(one: CondEmbedding, other: CondEmbedding) -> None:
    torch.testing.assert_close(one.vector, other.vector, rtol=1e-5, atol=1e-5)


def test_shapes_are_as_stated(embedder: TextEmbedder) -> None:
    cond = read(embedder, rows(3, 0, 24))
    assert (embedder.vector, embedder.tokens, embedder.concat) == (32, 32, 0)
    assert cond.vector is not None
    assert cond.tokens is not None
    assert cond.mask is not None
    assert cond.concat is None
    assert cond.vector.shape == (3, 32)
    assert cond.tokens.shape == (3, 1 + WORDS, 32)
    assert cond.mask.sum(dim=1).tolist() == [4, 1, 25]
    assert torch.equal(cond.tokens[:, 0], cond.vector)
    assert cond.tokens.isfinite().all()


def test_padding_does_not_matter(embedder: TextEmbedder) -> None:
    value = rows(5)
    long, short = read(embedder, value), read(embedder, value[:, :5])
    close(long, short)
    torch.testing.assert_close(long.tokens[:, :6], short.tokens, rtol=1e-5, atol=1e-5)


def test_nor_do_the_others_of_a_batch(embedder: TextEmbedder) -> None:
    value = rows(5, 24, 1, 0)
    close(read(embedder, value), CondEmbedding(torch.cat([read(embedder, row[None]).vector for row in value])))


def test_the_order_of_words_matters_and_that_of_ids_does_not(embedder: TextEmbedder) -> None:
    value = rows(2)
    swapped = value.clone()
    swapped[:, [0, 1]] = value[:, [1, 0]]
    assert (read(embedder, value).vector - read(embedder, swapped).vector).abs().max() > 1e-3
    close(read(embedder, value), read(embedder, value.flip(2)))


def test_nothing_asked_is_the_empty_text(embedder: TextEmbedder) -> None:
    asked = read(embedder, rows(7, 24), present=False)
    for value in (rows(0, 0), embedder.null(torch.zeros(2, 3, 8, 8))):
        for one, other in zip(asked, read(embedder, value), strict=True):
            assert (one is None and other is None) or torch.equal(one, other)


def test_gradients_reach_the_ids_that_are_used_and_no_others(embedder: TextEmbedder) -> None:
    value = rows(3, 8)
    embedder(value, torch.tensor([True, False])).vector.square().sum().backward()
    got = embedder.table.grad
    assert got is not None
    assert set(got.abs().sum(dim=1).nonzero().flatten().tolist()) == set(value[0].flatten().tolist()) - {0}
    assert all(parameter.grad is not None for parameter in embedder.parameters())


def test_in_half_precision(embedder: TextEmbedder) -> None:
    value = rows(5, 0, 24)
    exact = read(embedder, value).vector
    with torch.autocast("cpu", torch.bfloat16):
        cond = read(embedder, value)
    assert cond.vector.dtype == torch.float32
    torch.testing.assert_close(cond.vector, exact, rtol=0, atol=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(embedder: TextEmbedder) -> None:
    value = rows(5, 0, 24)
    expected = read(embedder, value).vector
    embedder.cuda()
    x = torch.zeros(2, 3, 8, 8, device="cuda")
    assert embedder.null(x).is_cuda
    cond = embedder(value.cuda(), torch.ones(3, dtype=torch.bool, device="cuda"))
    torch.testing.assert_close(cond.vector.cpu(), expected, rtol=1e-3, atol=1e-3)


def test_it_learns_to_tell_texts_apart() -> None:
    """Also by their order: of the same two words, which is first."""
    torch.manual_seed(0)
    embedder = TextEmbedder(width=16, layers=1, heads=2)
    value, target = rows(2, 2, 3, 1), torch.tensor([0, 1, 2, 3])
    value[1, :2] = value[0, [1, 0]]
    last = torch.nn.Linear(16, 4)
    optimizer = torch.optim.Adam([*embedder.parameters(), *last.parameters()], lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(last(read(embedder, value).vector), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_with_a_network() -> None:
    class Net(torch.nn.Module):
        def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding) -> Tensor:
            assert cond.vector is not None
            return x + cond.vector.mean(dim=1)[:, None, None, None]

    embedder: Embedder = TextEmbedder(width=8, heads=2)
    net, x, t = ConditionedNet(Net(), embedder), torch.zeros(2, 1, 4, 4), torch.zeros(2)
    none = net(x, t)
    assert torch.equal(none, net(x, t, Condition(rows(3, 5), torch.zeros(2, dtype=torch.bool))))
    assert not torch.equal(none, net(x, t, rows(3, 5)))

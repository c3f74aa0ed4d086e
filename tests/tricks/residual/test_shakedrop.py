"""ShakeDrop: (b + alpha - b alpha) F forward, (b + beta - b beta) backward, the expectation in evaluation."""

import functools
import itertools

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from tricktable.models.pyramidnet import PyramidNet
from tricktable.tricks.residual.shakedrop import ShakeDrop
from tricktable.tricks.residual.sum import Sum

LEVELS = ["batch", "image", "channel", "pixel"]
SHAPE = (3, 2, 2, 2)


def coefficients(trick, shape=(4, 3, 5, 5)):
    """Forward and backward coefficient of every element of a branch of ones."""
    x = torch.ones(shape, requires_grad=True)
    out = trick(x)
    out.sum().backward()
    return out.detach(), x.grad


def draws(trick, level):
    """What a branch meets: its gate, and alpha and beta of every element."""
    size = {"batch": (1, 1, 1, 1), "image": (3, 1, 1, 1), "channel": (3, 2, 1, 1), "pixel": SHAPE}[level]
    gate = float(torch.rand(1).item() < trick.p)
    alpha, beta = torch.empty(size).uniform_(-1, 0.5), torch.empty(size).uniform_(0.25, 1)
    return gate, alpha.expand(SHAPE), beta.expand(SHAPE)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("level", "kind"), list(itertools.product(LEVELS, ["A", "B"])))
def test_the_equations_on_known_draws(level, kind, seed):
    trick = ShakeDrop(2, 2, 2, 2, p_last=0.5, alpha=[-1, 0.5], beta=[0.25, 1], level=level, type=kind)
    torch.manual_seed(0)
    branches = [torch.randn(SHAPE, requires_grad=True) for _ in range(2)]
    upstream = torch.randn(SHAPE)
    torch.manual_seed(seed)
    out = trick(*branches)
    out.backward(upstream)

    torch.manual_seed(seed)
    first = draws(trick, level)
    drawn = [first, first if kind == "A" else draws(trick, level)]
    value, gradients = torch.zeros(SHAPE), [torch.zeros(SHAPE) for _ in branches]
    for at in itertools.product(*map(range, SHAPE)):
        for branch, gradient, (b, alpha, beta) in zip(branches, gradients, drawn, strict=True):
            value[at] += (b + alpha[at] - b * alpha[at]) * branch[at].detach()
            gradient[at] = (b + beta[at] - b * beta[at]) * upstream[at]
    torch.testing.assert_close(out, value)
    torch.testing.assert_close([branch.grad for branch in branches], gradients)


def test_the_gate_opens_at_the_rate_of_the_linear_rule_and_then_nothing_is_disturbed():
    torch.manual_seed(0)
    trick = ShakeDrop(4, 5, 1, 2, p_last=0.5, level="pixel")
    opened = []
    for _ in range(800):
        forward, backward = coefficients(trick, (2, 1, 2, 2))
        plain = bool((forward == 1).all())
        assert plain == bool((backward == 1).all())
        assert plain or not (forward == 1).any(), "one gate for the whole batch"
        opened.append(plain)
    assert trick.p == pytest.approx(1 - 4 / 5 * 0.5)
    assert sum(opened) / 800 == pytest.approx(0.6, abs=0.05)


def test_the_rules():
    assert [ShakeDrop(index, 4, 1, 2).p for index in range(1, 5)] == pytest.approx([0.875, 0.75, 0.625, 0.5])
    assert {ShakeDrop(index, 4, 1, 2, p_last=0.3, rule="uniform").p for index in range(1, 5)} == {0.3}


@pytest.mark.parametrize(("level", "different"), [("batch", 1), ("image", 4), ("channel", 12), ("pixel", 300)])
def test_a_closed_gate_is_the_one_branch_shake_and_the_level_says_what_shares_a_draw(level, different):
    torch.manual_seed(0)
    forward, backward = coefficients(ShakeDrop(1, 9, 1, 2, p_last=0.0, level=level, rule="uniform"))
    for drawn, low in ((forward, -1), (backward, 0)):
        assert len(drawn.unique()) == different
        assert low <= drawn.min() and drawn.max() <= 1
    dims = {"batch": (0, 1, 2, 3), "image": (1, 2, 3), "channel": (2, 3), "pixel": ()}[level]
    for dim in dims:
        torch.testing.assert_close(forward, forward.narrow(dim, 0, 1).expand_as(forward))


def test_coefficients_are_uniform_on_their_ranges_and_independent():
    torch.manual_seed(0)
    trick = ShakeDrop(1, 1, 1, 2, p_last=0.0, alpha=[-0.5, 1.5], beta=[0.25, 0.75], level="image")
    forward, backward = (c.flatten() for c in coefficients(trick, (2000, 1, 1, 1)))
    assert stats.kstest(forward.numpy(), stats.uniform(-0.5, 2).cdf).pvalue > 0.01
    assert stats.kstest(backward.numpy(), stats.uniform(0.25, 0.5).cdf).pvalue > 0.01
    assert torch.stack([forward, backward]).corrcoef()[0, 1].abs() < 0.1


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("level", LEVELS)
def test_with_an_open_gate_it_is_the_sum(level, kind):
    trick, a, b = ShakeDrop(3, 3, 2, 2, p_last=1.0, level=level, type=kind), torch.randn(SHAPE), torch.randn(SHAPE)
    torch.testing.assert_close(trick(a, b), a + b)
    torch.testing.assert_close(trick.eval()(a, b), a + b)


def test_without_randomness_it_is_stochastic_depth():
    torch.manual_seed(0)
    trick = ShakeDrop(1, 1, 1, 2, alpha=[0, 0], beta=[0, 0], level="pixel")
    seen = [torch.stack(coefficients(trick)).unique().tolist() for _ in range(50)]
    assert [0.0] in seen and [1.0] in seen and all(len(each) == 1 for each in seen)


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("ends", [[-1.0, 1.0], [0.2, 1.0]])
def test_evaluation_is_the_expectation_of_training(ends, kind):
    torch.manual_seed(0)
    trick, x = ShakeDrop(3, 4, 2, 2, alpha=ends, level="image", type=kind), torch.randn(SHAPE)
    mean = torch.stack([trick(x, x) for _ in range(1000)]).mean(0)
    out = trick.eval()(x, x)
    torch.testing.assert_close(out, 2 * x * (0.625 + 0.375 * sum(ends) / 2))
    torch.testing.assert_close(mean, out, atol=0.2, rtol=0)


@pytest.mark.parametrize("level", LEVELS)
def test_dtype_and_memory_format_are_kept(level):
    x = torch.randn(4, 8, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    trick = ShakeDrop(1, 1, 1, 2, p_last=0.0, level=level)
    for out in (trick(x), trick.eval()(x)):
        assert out.dtype is torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)


def test_a_pyramidnet_trains_and_is_plain_with_open_gates():
    def network(residual):
        torch.manual_seed(1)
        return PyramidNet(10, 1, depth=14, alpha=6, width=4, residual=residual)

    torch.manual_seed(0)
    x = torch.randn(8, 1, 8, 8)
    assert torch.equal(network(functools.partial(ShakeDrop, p_last=1.0))(x), network(Sum)(x))
    model = network(ShakeDrop)
    F.cross_entropy(model(x), torch.arange(8)).backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in network(Sum).parameters())


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("p_last", 1.5, r"p_last must lie in \[0, 1\], got 1.5"),
        ("alpha", [1.0, -1.0], r"alpha must be \[low, high\] with low at most high, got \[1.0, -1.0\]"),
        ("beta", [0.0, 1.0, 2.0], r"beta must be \[low, high\]"),
        ("beta", [0.0], r"beta must be \[low, high\]"),
    ],
)
def test_wrong_arguments_are_refused(argument, value, message):
    with pytest.raises(ValueError, match=message):
        ShakeDrop(1, 2, 1, 2, **{argument: value})

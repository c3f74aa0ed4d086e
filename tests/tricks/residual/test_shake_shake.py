"""Shake-Shake: alpha F1 + (1 - alpha) F2 forward, beta and 1 - beta backward, the mean in evaluation."""

import functools
import itertools

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from tricktable.models.shake_resnet import ShakeResNet
from tricktable.tricks.residual.shake_shake import ShakeShake

COMBINATIONS = list(itertools.product(["shake", "even"], ["shake", "even", "keep"], ["batch", "image"]))


def shares(trick, n):
    """alpha and beta of each image: what a branch of ones beside one of zeros puts out, and its gradient."""
    first, second = (torch.full((n, 2, 3, 3), v, requires_grad=True) for v in (1.0, 0.0))
    out = trick(first, second)
    out.sum().backward()
    torch.testing.assert_close(first.grad + second.grad, torch.ones_like(out))
    for tensor in (out, first.grad):
        assert (tensor == tensor[:, :1, :1, :1]).all(), "one share for the whole image"
    return out.detach()[:, 0, 0, 0], first.grad[:, 0, 0, 0]


@pytest.mark.parametrize(("forward", "backward", "level"), COMBINATIONS)
def test_the_equations_on_known_draws(forward, backward, level):
    n = 5
    trick = ShakeShake(1, 4, 2, 2, forward=forward, backward=backward, level=level)
    torch.manual_seed(0)
    first, second = (torch.randn(n, 2, 3, 3, requires_grad=True) for _ in range(2))
    upstream = torch.randn(n, 2, 3, 3)
    torch.manual_seed(7)
    out = trick(first, second)
    out.backward(upstream)

    torch.manual_seed(7)
    draws = n if level == "image" else 1
    alpha = torch.rand(draws).expand(n) if forward == "shake" else torch.full((n,), 0.5)
    if backward == "keep":
        beta = alpha
    else:
        beta = torch.rand(draws).expand(n) if backward == "shake" else torch.full((n,), 0.5)
    for i in range(n):
        torch.testing.assert_close(out[i], alpha[i] * first[i] + (1 - alpha[i]) * second[i])
        torch.testing.assert_close(first.grad[i], beta[i] * upstream[i])
        torch.testing.assert_close(second.grad[i], (1 - beta[i]) * upstream[i])


@pytest.mark.parametrize(("forward", "backward", "level"), COMBINATIONS)
def test_what_is_even_kept_shared_and_drawn_anew(forward, backward, level):
    torch.manual_seed(0)
    alpha, beta = shares(ShakeShake(1, 4, 2, 2, forward=forward, backward=backward, level=level), 2000)
    if backward == "keep":
        torch.testing.assert_close(alpha, beta)
    for share, rule in ((alpha, forward), (beta, forward if backward == "keep" else backward)):
        if rule == "even":
            assert (share == 0.5).all()
        elif level == "batch":
            assert (share == share[0]).all() and share[0] != 0.5
        else:
            assert stats.kstest(share.numpy(), "uniform").pvalue > 0.01
    if (forward, backward, level) == ("shake", "shake", "image"):
        assert torch.stack([alpha, beta]).corrcoef()[0, 1].abs() < 0.1


def test_draws_are_new_for_every_pass_and_every_block():
    torch.manual_seed(0)
    one, other = ShakeShake(1, 2, 2, 2, level="batch"), ShakeShake(2, 2, 2, 2, level="batch")
    drawn = [float(share[0]) for trick in (one, one, other) for share in shares(trick, 1)]
    assert len(set(drawn)) == 6


@pytest.mark.parametrize(("forward", "backward", "level"), COMBINATIONS)
def test_evaluation_is_the_mean(forward, backward, level):
    trick = ShakeShake(1, 4, 2, 2, forward=forward, backward=backward, level=level).eval()
    a, b = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(trick(a, b), (a + b) / 2)


def test_dtype_and_memory_format_are_kept():
    a, b = (torch.randn(4, 8, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last) for _ in range(2))
    for trick in (ShakeShake(1, 1, 2, 2), ShakeShake(1, 1, 2, 2).eval()):
        out = trick(a, b)
        assert out.dtype is torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)


def test_a_shake_network_trains_and_in_evaluation_is_the_plain_one():
    def network(residual):
        torch.manual_seed(1)
        return ShakeResNet(10, 1, depth=8, width=4, stem_width=4, residual=residual)

    torch.manual_seed(0)
    x = torch.randn(8, 1, 8, 8)
    model = network(ShakeShake)
    torch.testing.assert_close(model.eval()(x), network(None).eval()(x))
    F.cross_entropy(model.train()(x), torch.arange(8)).backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("branches", [1, 3])
def test_another_number_of_branches_is_refused(branches):
    with pytest.raises(ValueError, match=f"exactly 2 branches of a block, .* have {branches}"):
        functools.partial(ShakeShake, level="batch")(1, 4, branches, 2)

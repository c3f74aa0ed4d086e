"""Stochastic depth: b_l F(x) with b_l ~ Bernoulli(p_l) while training, p_l F(x) afterwards."""

import functools

import pytest
import torch
from torch.nn import functional as F

from tricktable.models.pyramidnet import PyramidNet
from tricktable.tricks.residual.stochastic_depth import StochasticDepth
from tricktable.tricks.residual.sum import Sum


def kept(trick, times, n=4):
    """Which images of which draws kept their branch, times x n; the branch is 3 everywhere."""
    x = torch.full((n, 2, 3, 3), 3.0)
    outs = torch.stack([trick(x) for _ in range(times)])
    assert ((outs == 0) | (outs == 3)).all()
    assert (outs == outs[:, :, :1, :1, :1]).all(), "an image is kept or dropped as a whole"
    return outs[:, :, 0, 0, 0] == 3


def test_survival_falls_linearly_to_p_last_and_leaves_the_papers_expected_depth():
    probabilities = [StochasticDepth(index, 54, 1, 2).p for index in range(1, 55)]
    assert probabilities == pytest.approx([1 - index / 54 * 0.5 for index in range(1, 55)])
    assert probabilities[-1] == 0.5
    assert sum(probabilities) == pytest.approx(40.25)


def test_the_uniform_rule_is_the_same_for_all_blocks():
    assert {StochasticDepth(index, 9, 1, 2, p_last=0.8, rule="uniform").p for index in range(1, 10)} == {0.8}


@pytest.mark.parametrize("per", ["batch", "image"])
def test_branches_survive_at_the_rate_of_the_rule(per):
    torch.manual_seed(0)
    trick = StochasticDepth(4, 5, 1, 2, p_last=0.5, per=per)
    rate = kept(trick, 4000).float().mean(0)
    assert trick.p == pytest.approx(0.6)
    torch.testing.assert_close(rate, torch.full((4,), 0.6), atol=0.03, rtol=0)


def test_a_batch_is_dropped_together_and_images_each_for_themselves():
    torch.manual_seed(0)
    together = kept(StochasticDepth(1, 1, 1, 2, per="batch"), 200)
    alone = kept(StochasticDepth(1, 1, 1, 2, per="image"), 200)
    assert (together == together[:, :1]).all()
    pairs = alone.float().T.corrcoef() - torch.eye(4)
    assert pairs.abs().max() < 0.3


def test_evaluation_is_the_expectation_of_training():
    torch.manual_seed(0)
    trick, x = StochasticDepth(2, 3, 1, 2, p_last=0.4, per="image"), torch.randn(4, 2, 3, 3)
    mean = torch.stack([trick(x) for _ in range(4000)]).mean(0)
    out = trick.eval()(x)
    torch.testing.assert_close(out, x * (1 - 2 / 3 * 0.6))
    torch.testing.assert_close(mean, out, atol=0.1, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_branches_are_summed_first_and_dropped_together(training):
    trick, a, b = StochasticDepth(1, 1, 2, 2).train(training), torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    torch.manual_seed(3)
    out = trick(a, b)
    torch.manual_seed(3)
    torch.testing.assert_close(out, trick(a + b))
    assert trick(a, b).shape == a.shape


def test_a_dropped_image_has_no_gradient_and_a_kept_one_the_whole():
    torch.manual_seed(0)
    x = torch.randn(16, 2, 3, 3, requires_grad=True)
    out = StochasticDepth(1, 1, 1, 2, per="image")(x)
    out.sum().backward()
    on = out.detach().flatten(1).any(1)
    assert 0 < on.sum() < 16
    assert torch.equal(x.grad, on.float().view(-1, 1, 1, 1).expand_as(x))


def test_dtype_and_memory_format_are_kept():
    x = torch.randn(4, 8, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    for trick in (StochasticDepth(1, 2, 1, 2, per="image"), StochasticDepth(1, 2, 1, 2).eval()):
        out = trick(x)
        assert out.dtype is torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)


def test_a_pyramidnet_numbers_its_blocks_trains_and_is_plain_where_all_survive():
    def network(residual):
        torch.manual_seed(1)
        return PyramidNet(10, 1, depth=14, alpha=6, width=4, residual=residual)

    torch.manual_seed(0)
    x = torch.randn(8, 1, 8, 8)
    certain = network(functools.partial(StochasticDepth, p_last=1.0))
    assert torch.equal(certain(x), network(Sum)(x))
    model = network(functools.partial(StochasticDepth, per="image"))
    found = [m.p for m in model.modules() if isinstance(m, StochasticDepth)]
    assert found == pytest.approx([1 - index / 6 * 0.5 for index in range(1, 7)])
    F.cross_entropy(model(x), torch.arange(8)).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_wrong_probability_is_refused(p):
    with pytest.raises(ValueError, match=r"p_last must lie in \[0, 1\]"):
        StochasticDepth(1, 2, 1, 2, p_last=p)

"""SAM against the paper's equation 2, around optimizers of torch and of this tree; and in a run."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.tricks.optimizer.problem import START, check, equal, lone
from tests.tricks.optimizer.test_lookahead import adam_rule, looks_ahead, momentum_rule
from tricktable.tricks.optimizer.asam import asam
from tricktable.tricks.optimizer.lookahead import lookahead
from tricktable.tricks.optimizer.sam import sam


def ascent(rho):
    def e(values, gradients):
        norm = math.sqrt(sum((g**2).sum() for g in gradients))
        return [rho * g / norm for g in gradients]

    return e


def sgd(groups):
    return torch.optim.SGD(groups, lr=0.1, momentum=0.8, weight_decay=0.1)


BASE = {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.1}


@pytest.mark.parametrize("rho", [0.05, 0.7])
def test_equation_2_around_sgd(rho):
    check(lambda groups: sam(groups, sgd(groups), rho=rho), momentum_rule, **BASE, ascent=ascent(rho))


def test_equation_2_around_adam():
    check(
        lambda groups: sam(groups, torch.optim.Adam(groups, lr=0.03), rho=0.3),
        adam_rule,
        lr=0.03,
        momentum=0.9,
        ascent=ascent(0.3),
    )


def test_with_lookahead_the_order_does_not_matter():
    def outside(groups):
        return sam(groups, lookahead(groups, sgd(groups)), rho=0.3)

    check(outside, looks_ahead(momentum_rule, 5, 0.5), **BASE, ascent=ascent(0.3))
    equal(outside, lambda groups: lookahead(groups, sam(groups, sgd(groups), rho=0.3)), rtol=0)


def seen_at(make, value=(3.0, 4.0)):
    """The weights at which the closure was called, the loss that a step returned, and the step's change."""
    p = nn.Parameter(torch.tensor(value))
    optimizer = make([{"params": [p]}])
    seen = []

    def closure():
        seen.append(p.detach().clone())
        p.grad = p.detach().clone()
        return p.square().sum() / 2

    loss = optimizer.step(closure)
    return seen, loss, p.detach()


def test_a_worked_example():
    seen, loss, after = seen_at(lambda groups: sam(groups, torch.optim.SGD(groups, lr=1.0), rho=0.5))
    assert seen[0].tolist() == [3.0, 4.0] and loss.item() == 12.5
    torch.testing.assert_close(seen[1], torch.tensor([3.3, 4.4]))
    torch.testing.assert_close(after, torch.tensor([-0.3, -0.4]))


def test_the_step_begins_at_the_weights_to_the_bit():
    value = tuple(torch.randn(50, generator=torch.Generator().manual_seed(0)).tolist())
    _, _, after = seen_at(lambda groups: sam(groups, torch.optim.SGD(groups, lr=0.0), rho=0.37), value)
    assert after.tolist() == list(torch.tensor(value).tolist())


def test_without_gradient_there_is_no_ascent():
    seen, _, after = seen_at(lambda groups: sam(groups, torch.optim.SGD(groups, lr=1.0)), (0.0, 0.0))
    assert len(seen) == 2 and not seen[1].any() and not after.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, 3e38])
@pytest.mark.parametrize("make", [sam, asam])
def test_gradients_that_are_not_finite_show_in_the_weights(make, bad):
    p = nn.Parameter(torch.ones(2, 2))
    optimizer = make([{"params": [p]}], torch.optim.SGD([p], lr=1.0))
    calls = []

    def closure():
        calls.append(None)
        p.grad = torch.full_like(p, bad) if len(calls) == 1 else p.detach().clone()
        return p.sum()

    optimizer.step(closure)
    assert p.isnan().all()


def test_what_has_no_gradient_stays():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = sam([{"params": [a, b]}], torch.optim.SGD([a, b], lr=1.0))

    def closure():
        a.grad = torch.ones_like(a)
        return a.sum()

    optimizer.step(closure)
    assert b.tolist() == [1.0, 1.0] and a.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("make", [sam, asam])
@pytest.mark.parametrize("inner", [sam, asam])
def test_it_is_not_around_itself(make, inner):
    groups = lone(START[1].tolist())
    within = inner(groups, torch.optim.SGD(groups, lr=0.1))
    with pytest.raises(ValueError, match="^inner must not be sharpness-aware itself$"):
        make(groups, within)
    with pytest.raises(ValueError, match="^inner must not be sharpness-aware itself$"):
        make(groups, lookahead(groups, within))


@pytest.mark.parametrize("make", [sam, asam])
def test_a_step_without_a_closure_is_refused(make):
    groups = lone()
    with pytest.raises(ValueError, match="sam takes two gradients a step, and has no closure to ask for them"):
        make(groups, torch.optim.SGD(groups, lr=0.1)).step()


@pytest.mark.parametrize("rho", [0.0, -1.0, math.nan])
def test_out_of_range(rho):
    groups = lone()
    with pytest.raises(ValueError, match="^rho must be above 0, got "):
        sam(groups, torch.optim.SGD(groups, lr=0.1), rho=rho)


def test_its_knobs_are_the_inner_ones():
    groups = lone()
    inner = torch.optim.Adam(groups, lr=0.03)
    assert sam(groups, inner) is inner and np.isclose(inner.defaults["lr"], 0.03)

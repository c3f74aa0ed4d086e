"""Lookahead against the paper's algorithm 1, around optimizers of torch and of this tree."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import START, check, equal, lone, steady
from tricktable.tricks.optimizer.adam_2k import Adam2k
from tricktable.tricks.optimizer.lookahead import lookahead
from tricktable.tricks.optimizer.rmsprop import RMSProp


def looks_ahead(inner_rule, k, alpha):
    """Algorithm 1 around a rule."""

    def rule(w, g, s, t, knobs):
        slow = s.setdefault("slow", w.copy())
        inner_rule(w, g, s, t, knobs)
        if t % k == 0:
            slow += alpha * (w - slow)
            w[...] = slow

    return rule


def momentum_rule(w, g, s, t, knobs):
    s["u"] = knobs.momentum * s.get("u", 0) + g + knobs.weight_decay * w
    w -= knobs.lr * s["u"]


def adam_rule(w, g, s, t, knobs):
    s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    w -= knobs.lr * (s["m"] / (1 - knobs.momentum**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (7, 0.8), (1, 0.3)])
def test_algorithm_1_around_sgd(k, alpha):
    def make(groups):
        inner = torch.optim.SGD(groups, lr=0.1, momentum=0.8, weight_decay=0.1)
        return lookahead(groups, inner, k=k, alpha=alpha)

    check(make, looks_ahead(momentum_rule, k, alpha), lr=0.1, momentum=0.8, weight_decay=0.1)


def test_algorithm_1_around_sgd_without_a_state_of_its_own():
    check(lambda groups: lookahead(groups, torch.optim.SGD(groups, lr=0.1)), looks_ahead(momentum_rule, 5, 0.5), lr=0.1)


def test_algorithm_1_around_adam():
    check(
        lambda groups: lookahead(groups, torch.optim.Adam(groups, lr=0.03)),
        looks_ahead(adam_rule, 5, 0.5),
        lr=0.03,
        momentum=0.9,
    )


def test_alpha_1_is_the_inner_optimizer():
    equal(
        lambda groups: lookahead(groups, torch.optim.NAdam(groups, lr=0.03), alpha=1.0),
        lambda groups: torch.optim.NAdam(groups, lr=0.03),
    )


def test_it_looks_ahead_of_optimizers_of_this_tree_as_of_torchs():
    equal(
        lambda groups: lookahead(groups, RMSProp(groups, lr=0.01, momentum=0.8)),
        lambda groups: lookahead(groups, torch.optim.RMSprop(groups, lr=0.01, alpha=0.9, momentum=0.8)),
    )


def test_its_knobs_are_the_inner_ones():
    groups = lone()
    inner = torch.optim.Adam(groups, lr=0.03)
    optimizer = lookahead(groups, inner)
    assert optimizer.defaults["lr"] == 0.03 and optimizer.defaults["betas"] == (0.9, 0.999)
    assert optimizer.param_groups[0]["params"] == groups[0]["params"]


def test_a_parameter_that_gets_its_first_gradient_later_begins_then():
    a, b = (lone((value,))[0]["params"][0] for value in (0.0, 0.0))
    groups = [{"params": [a, b]}]
    optimizer = lookahead(groups, torch.optim.Adam(groups, lr=1.0), k=2)
    a.grad = torch.ones_like(a)
    optimizer.step()
    assert b.item() == 0 and not optimizer.state.get(b)
    b.grad = torch.ones_like(b)
    optimizer.step()
    assert a.item() == pytest.approx(-1.0) and b.item() == pytest.approx(-1.0)  # a was set back, b not yet
    optimizer.step()
    assert a.item() == pytest.approx(-2.0) and b.item() == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"alpha": 0.0}, r"alpha must lie in \(0, 1\], got 0"),
        ({"alpha": 1.5}, r"alpha must lie in \(0, 1\], got 1.5"),
    ],
)
def test_out_of_range(arguments, line):
    groups = lone()
    with pytest.raises(ValueError, match=f"^{line}$"):
        lookahead(groups, torch.optim.SGD(groups, lr=0.1), **arguments)


def test_lookahead_does_not_look_ahead_of_itself():
    groups = lone(START[1].tolist())
    with pytest.raises(ValueError, match="inner must not look ahead itself"):
        lookahead(groups, lookahead(groups, torch.optim.SGD(groups, lr=0.1)))


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (10, 0.8), (1, 0.3)])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_a_steady_gradient_moves_the_slow_weights_by_alpha_of_the_inner_step(k, alpha, momentum):
    make = lambda groups: lookahead(groups, RMSProp(groups, momentum=momentum), k=k, alpha=alpha)  # noqa: E731
    gain = make(lone()).momentum_gain(momentum)
    assert gain == pytest.approx(alpha / (1 - momentum)) and steady(make) == pytest.approx(gain, rel=1e-6)


def test_what_is_not_known_of_the_inner_one_is_not_known():
    groups = lone()
    assert not hasattr(lookahead(groups, torch.optim.SGD(groups, lr=0.1)), "momentum_gain")


def test_a_run_too_short_to_synchronise_is_refused():
    groups = lone()
    optimizer = lookahead(groups, Adam2k(groups, steps=8), k=5)
    optimizer.check_updates(9)
    with pytest.raises(ValueError, match="^k must be at most the run's 4 updates, got 5$"):
        optimizer.check_updates(4)
    with pytest.raises(ValueError, match="^steps must be less than the run's 8 updates, got 8$"):
        optimizer.check_updates(8)

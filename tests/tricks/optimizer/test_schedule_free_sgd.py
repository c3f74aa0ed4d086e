"""Schedule-Free SGD against the paper's section 2 with the averaging weights of its section 4.3."""

import pytest
import torch

from tests.tricks.optimizer.problem import check, check_evaluation_weights, lone
from tricktable.tricks.optimizer.lookahead import lookahead
from tricktable.tricks.optimizer.schedule_free_sgd import ScheduleFreeSGD

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}


def rule(w, g, s, t, knobs):
    """w is y; knobs.momentum is beta."""
    if t == 1:
        s["x"], s["z"], s["gammas"] = w.copy(), w.copy(), []
    s["gammas"].append(knobs.lr)
    s["z"] = s["z"] - knobs.lr * (g + knobs.weight_decay * w)
    c = knobs.lr**2 / sum(gamma**2 for gamma in s["gammas"])
    s["x"] = (1 - c) * s["x"] + c * s["z"]
    w[...] = (1 - knobs.momentum) * s["z"] + knobs.momentum * s["x"]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_weights_that_train_over_a_run(momentum):
    base = {**BASE, "momentum": momentum}
    check(lambda groups: ScheduleFreeSGD(groups, **base), rule, **base)


def test_the_weights_to_evaluate_over_a_run():
    check_evaluation_weights(lambda groups: ScheduleFreeSGD(groups, **BASE), rule, **BASE)


def test_at_a_constant_rate_x_is_the_plain_mean_of_z():
    groups = lone()
    (p,) = groups[0]["params"]
    optimizer = ScheduleFreeSGD(groups, lr=0.5, weight_decay=0.0)
    iterates = []
    for t in range(7):
        p.grad = torch.full_like(p, 0.1 * t)
        optimizer.step()
        iterates.append(optimizer.state[p]["z"].item())
    assert optimizer.evaluation_weights()[p].item() == pytest.approx(sum(iterates) / 7, rel=1e-5)


def test_a_rate_of_0_changes_nothing_and_does_not_count():
    groups = lone()
    (p,) = groups[0]["params"]
    optimizer = ScheduleFreeSGD(groups, weight_decay=0.5)
    for lr in (0.0, 0.0, 0.1):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.ones_like(p)
        optimizer.step()
        assert lr or p.item() == 1
    assert optimizer.evaluation_weights()[p].item() == p.item() == pytest.approx(1 - 0.1 * 1.5)


def test_what_moves_the_weights_between_two_steps_moves_all_three():
    plain, shifted = [], []
    for by, found in ((0.0, plain), (0.25, shifted)):
        groups = lone()
        (p,) = groups[0]["params"]
        optimizer = ScheduleFreeSGD(groups, weight_decay=0.0)
        for t in range(4):
            p.grad = torch.full_like(p, 1.0 + t)
            optimizer.step()
            if t == 1:
                before = optimizer.evaluation_weights()[p].item()
                with torch.no_grad():
                    p += by
                assert optimizer.evaluation_weights()[p].item() == pytest.approx(before + by)
        found += [p.item(), optimizer.state[p]["x"].item(), optimizer.state[p]["z"].item()]
    assert shifted == pytest.approx([value + 0.25 for value in plain], rel=1e-5)


def test_lookahead_around_it_is_not_undone():
    found = []
    for k in (2, 1000):
        groups = lone()
        (p,) = groups[0]["params"]
        optimizer = lookahead(groups, ScheduleFreeSGD(groups, weight_decay=0.0), k=k)
        for _ in range(5):
            p.grad = torch.ones_like(p)
            optimizer.step()
        found.append(p.item())
    assert found[0] > found[1] + 1, "each synchronisation takes half of the way back"


def test_the_decay_is_of_the_weight_where_the_parameter_is_an_offset():
    groups = [{**lone((-0.25,))[0], "origin": 1.0}]
    (p,) = groups[0]["params"]
    optimizer = ScheduleFreeSGD(groups, lr=0.1, weight_decay=0.5)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    assert 1 + p.item() == pytest.approx(0.75 * (1 - 0.1 * 0.5))


def test_a_parameter_without_gradient_begins_later():
    a, b = lone()[0]["params"][0], lone()[0]["params"][0]
    optimizer = ScheduleFreeSGD([{"params": [a, b]}], lr=0.1, weight_decay=0.0)
    a.grad = torch.ones_like(a)
    optimizer.step()
    assert b.item() == 1 and set(optimizer.evaluation_weights()) == {a}
    b.grad = torch.ones_like(b)
    optimizer.step()
    assert b.item() == pytest.approx(0.9), "its first step, on which its average stands"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": 0.0}, "lr must be above 0, got 0"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        ScheduleFreeSGD(lone(), **arguments)

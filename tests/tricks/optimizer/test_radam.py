"""RAdam against the paper's algorithm 2, and against torch's by its threshold."""

import itertools
import math

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, equal, lone, steady
from tricktable.tricks.optimizer.adam import Adam
from tricktable.tricks.optimizer.radam import RAdam

ARGUMENTS = {"lr": 0.03, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1}


@pytest.mark.parametrize(("threshold", "degenerated_to_sgd"), [(4.0, True), (5.0, True), (4.0, False)])
def test_algorithm_2_over_a_run(threshold, degenerated_to_sgd):
    def rule(w, g, s, t, knobs):
        s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        mean = s["m"] / (1 - knobs.momentum**t)
        rho_inf = 2 / (1 - 0.99) - 1
        rho = rho_inf - 2 * t * 0.99**t / (1 - 0.99**t)
        if rho > threshold:
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            w -= knobs.lr * knobs.weight_decay * w
            w -= knobs.lr * r * mean * np.sqrt(1 - 0.99**t) / (np.sqrt(s["v"]) + 1e-3)
        elif degenerated_to_sgd:
            w -= knobs.lr * knobs.weight_decay * w
            w -= knobs.lr * mean

    check(
        lambda groups: RAdam(groups, **ARGUMENTS, threshold=threshold, degenerated_to_sgd=degenerated_to_sgd),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.1,
    )


@pytest.mark.parametrize(("threshold", "n"), [(4.0, 4), (5.0, 5)])
@pytest.mark.parametrize("replaced_by", ["adam", "sgd_adam"])
def test_table_3_over_a_run(replaced_by, threshold, n):
    """Steps 1 to 4 are Adam's; or they are SGD's, 5 to 8 Adam's, and rectified as by four steps fewer from then on."""

    def rule(w, g, s, t, knobs):
        s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        mean = s["m"] / (1 - knobs.momentum**t)
        root = (np.sqrt(s["v"]) + 1e-3) / np.sqrt(1 - 0.99**t)
        w -= knobs.lr * knobs.weight_decay * w
        late = n if replaced_by == "sgd_adam" else 0
        if t <= late:
            w -= knobs.lr * mean
        elif t <= late + n:
            w -= knobs.lr * mean / root
        else:
            rho_inf = 2 / (1 - 0.99) - 1
            rho = rho_inf - 2 * (t - late) * 0.99 ** (t - late) / (1 - 0.99 ** (t - late))
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            w -= knobs.lr * r * mean / root

    check(
        lambda groups: RAdam(groups, **ARGUMENTS, threshold=threshold, replaced_by=replaced_by),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.1,
    )


def test_what_replaces_the_first_steps_down_a_slope():
    """A slope of 2: SGD's step is 2, Adam's 1, and then r_5, r_6 ..., four steps later where SGD came before Adam."""
    ratios = [0.017312, 0.025821, 0.032739]
    adam = steps_of(lambda groups: RAdam(groups, lr=1.0, replaced_by="adam"))
    assert adam == pytest.approx([1.0] * 4 + ratios, rel=1e-3)
    both = steps_of(lambda groups: RAdam(groups, lr=1.0, replaced_by="sgd_adam"), 11)
    assert both == pytest.approx([2.0] * 4 + [1.0] * 4 + ratios, rel=1e-3)


def test_by_torchs_threshold_it_is_torchs():
    equal(
        lambda groups: RAdam(groups, **ARGUMENTS, threshold=5.0),
        lambda groups: torch.optim.RAdam(
            groups, lr=0.03, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1, decoupled_weight_decay=True
        ),
    )


def steps_of(make, n=7):
    """The sizes of the first steps down a slope of 2, over lr."""
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    optimizer, sizes = make(groups), []
    for _ in range(n):
        before = p.item()
        p.grad = torch.full_like(p, 2.0)
        optimizer.step()
        sizes.append(before - p.item())
    return sizes


@pytest.mark.parametrize("beta2", [0.9, 0.95, 0.98, 0.99, 0.999, 0.9995])
@pytest.mark.parametrize(("threshold", "first"), [(4.0, 5), (5.0, 6)])
def test_the_first_rectified_step(beta2, threshold, first):
    sizes = steps_of(lambda groups: RAdam(groups, lr=1.0, beta2=beta2, threshold=threshold))
    assert sizes[: first - 1] == pytest.approx([2.0] * (first - 1))  # momentum: the slope itself
    assert all(size < 1 for size in sizes[first - 1 :])
    theirs = steps_of(lambda groups: torch.optim.RAdam(groups, lr=1.0, betas=(0.9, beta2)))
    assert (sizes == pytest.approx(theirs, rel=1e-4)) == (threshold == 5)


def test_the_rectification_has_the_papers_values():
    sizes = steps_of(lambda groups: RAdam(groups, lr=1.0))
    assert sizes[4:] == pytest.approx([0.017312, 0.025821, 0.032739], rel=1e-3)  # the root is the slope, so r_t is left


def test_without_degenerated_steps_the_weights_wait():
    sizes = steps_of(lambda groups: RAdam(groups, lr=1.0, weight_decay=0.1, degenerated_to_sgd=False))
    assert sizes[:4] == [0] * 4 and all(size > 0 for size in sizes[4:])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": 1.0}, r"beta2 must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"threshold": 3.0}, "threshold must be at least 4, got 3"),
        ({"replaced_by": "sgd_adam", "beta2": 0.5}, "beta2 must be so large that a step is rectified, got 0.5"),
        (
            {"replaced_by": "adam", "degenerated_to_sgd": False},
            "replaced_by must be null where degenerated_to_sgd is false, got adam",
        ),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        RAdam(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    optimizer = RAdam(lone())
    assert optimizer.momentum_gain(momentum) == 1
    assert steady(lambda groups: RAdam(groups, beta1=momentum, beta2=0.9)) == pytest.approx(1, rel=1e-3)


LATER = {
    8: 0.038738,
    10: 0.048998,
    100: 0.215335,
    500: 0.476493,
    1000: 0.645326,
    2000: 0.82839,
    5000: 0.982878,
    10000: 0.999773,
}


@pytest.mark.parametrize(("t", "r"), LATER.items())
def test_the_rectification_of_later_steps_has_the_papers_values(t, r):
    """The moments are put where t - 1 steps down a slope of 1 leave them."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))]}]
    (p,) = groups[0]["params"]
    optimizer = RAdam(groups, lr=1.0)
    m, v = (torch.full_like(p, 1 - beta ** (t - 1)).detach() for beta in (0.9, 0.999))
    optimizer.state[p].update(t=t - 1, m=m, v=v)
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert -p.item() == pytest.approx(r, rel=1e-4)


RHO_INF = {0.999: 1999.0, 0.99: 199.0, 0.9: 19.0, 0.9995: 3999.0, 0.6: 4.0}


@pytest.mark.parametrize(("beta2", "rho"), RHO_INF.items())
def test_no_step_is_ever_rectified_by_a_threshold_of_rho_inf(beta2, rho):
    with pytest.raises(ValueError, match="beta2 must be so large that a step is rectified"):
        RAdam(lone(), beta2=beta2, threshold=rho + 1e-9, replaced_by="sgd_adam")
    RAdam(lone(), beta2=beta2 + 1e-6, threshold=rho, replaced_by="sgd_adam")


RHO = {5: 4.995998, 6: 5.994164, 10: 9.983492, 100: 98.332944, 1000: 835.967376}


@pytest.mark.parametrize(("t", "rho"), RHO.items())
def test_the_first_step_above_a_threshold_has_the_papers_rho(t, rho):
    assert RAdam(lone(), threshold=rho - 1e-5, replaced_by="sgd_adam").late == t - 1
    assert RAdam(lone(), threshold=rho + 1e-5, replaced_by="sgd_adam").late == t


def variances(make, steps, n=20_000):
    """Over n weights with normal gradients, by step: the variance of the adaptive rate, step / gradient."""
    p = torch.nn.Parameter(torch.zeros(n, dtype=torch.float64))
    optimizer, rng, found = make([{"params": [p]}]), torch.Generator().manual_seed(0), {}
    for t in range(1, max(steps) + 1):
        p.grad, before = torch.randn(n, generator=rng, dtype=torch.float64), p.detach().clone()
        optimizer.step()
        if t in steps:
            found[t] = ((before - p.detach()) / p.grad).var().item()
    return found


def chi_square_variance(rho):
    """Of the root of a scaled inverse chi-square of rho degrees of freedom: E[psi^2] - E[psi]^2."""
    mean = math.sqrt(rho / 2) * math.exp(math.lgamma((rho - 1) / 2) - math.lgamma(rho / 2))
    return rho / (rho - 2) - mean**2


def test_the_adaptive_rates_variance_by_simulation_is_the_papers_and_rectified_it_stays():
    beta2, steps = 0.99, (6, 8, 10, 15, 20, 30, 50)
    limit = 2 / (1 - beta2) - 1
    rho = {t: limit - 2 * t * beta2**t / (1 - beta2**t) for t in steps}
    arguments = {"lr": 1.0, "beta1": 0.0, "beta2": beta2, "eps": 1e-12}
    adam = variances(lambda groups: Adam(groups, **arguments), steps)
    for t in steps:
        assert adam[t] == pytest.approx(chi_square_variance(rho[t]), rel=0.05)
        first_order = rho[t] / (2 * (rho[t] - 2) * (rho[t] - 4))
        assert first_order > adam[t] and (t < 30 or first_order == pytest.approx(adam[t], rel=0.15))
    assert all(adam[a] > adam[b] for a, b in itertools.pairwise(steps))  # it falls as rho grows
    rectified = variances(lambda groups: RAdam(groups, **arguments), steps)
    assert adam[6] / adam[50] > 10 and max(rectified.values()) / min(rectified.values()) < 2.5
    assert rectified[50] == pytest.approx(chi_square_variance(limit), rel=0.1)

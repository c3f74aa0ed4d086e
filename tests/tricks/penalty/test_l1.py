"""L1, as a term of the loss and as the soft threshold."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from tricktable.tricks.penalty.l1 import L1


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(4, 2), nn.Linear(2, 2))
    model[3].weight.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


def acted_on(model):
    return [model[0].weight, model[2].weight]


def test_the_coupled_equation_and_its_gradient():
    model = network()
    loss = L1(0.3).loss(model)
    expected = 0.3 * sum(abs(w) for p in acted_on(model) for w in p.flatten().tolist())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    for p in acted_on(model):
        torch.testing.assert_close(p.grad, 0.3 * p.detach().sign())
    assert sum(p.grad is not None for p in model.parameters()) == 2


def test_the_decoupled_equation():
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    L1(0.32, decoupled=True).after_step(model, dict.fromkeys(model.parameters(), 0.5))
    changed = {id(p) for p in acted_on(model)}
    for p, old in zip(model.parameters(), before, strict=True):
        if id(p) in changed:
            soft = [math.copysign(max(abs(w) - 0.16, 0), w) for w in old.flatten().tolist()]
            torch.testing.assert_close(p.detach().flatten(), torch.tensor(soft))
            assert torch.equal(p == 0, old.abs() <= 0.16) and (p == 0).any() and (p != 0).any()
        else:
            assert torch.equal(p, old)


def test_each_weight_has_its_own_rate():
    model = network()
    frozen, other = acted_on(model)
    before = [p.detach().clone() for p in (frozen, other)]
    L1(0.32, decoupled=True).after_step(model, {p: 0.0 if p is frozen else 0.5 for p in model.parameters()})
    assert torch.equal(frozen, before[0])
    torch.testing.assert_close(other.detach(), before[1] - before[1].clamp(-0.16, 0.16))


@pytest.mark.parametrize("w", [-1.0, -0.05, 0.0, 0.07, 0.6])
def test_the_decoupled_step_minimises_the_norm_near_the_weight(w):
    """The proximal step: the argument of min over v of (v - w)^2 / 2 + lr strength |v|."""
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, w)
    L1(0.2, decoupled=True).after_step(layer, dict.fromkeys(layer.parameters(), 0.5))
    best = minimize_scalar(lambda v: (v - w) ** 2 / 2 + 0.1 * abs(v), bounds=(-2, 2), options={"xatol": 1e-9})
    assert layer.weight.item() == pytest.approx(best.x, abs=1e-6)


def test_away_from_zero_and_without_momentum_both_are_alike():
    coupled, decoupled = nn.Linear(3, 3), nn.Linear(3, 3)
    nn.init.uniform_(coupled.weight, 0.5, 1.0)
    decoupled.load_state_dict(coupled.state_dict())
    optimizer = torch.optim.SGD(coupled.parameters(), lr=0.2)
    for _ in range(3):
        optimizer.zero_grad()
        L1(0.1).loss(coupled).backward()
        optimizer.step()
        L1(0.1, decoupled=True).after_step(decoupled, dict.fromkeys(decoupled.parameters(), 0.2))
    torch.testing.assert_close(coupled.weight, decoupled.weight)


def test_nan_is_not_hidden_as_a_zero():
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[math.nan, 0.01]]))
    L1(1.0, decoupled=True).after_step(layer, dict.fromkeys(layer.parameters(), 1.0))
    assert layer.weight[0, 0].isnan() and layer.weight[0, 1] == 0


@pytest.mark.parametrize("decoupled", [False, True])
def test_the_share_of_zeros(decoupled):
    model = network()
    assert L1(decoupled=decoupled).figures(model) == {"l1_zeros": 0.0}
    with torch.no_grad():
        model[0].weight[0].zero_()
        model[3].weight.zero_()
        model[2].bias.zero_()
    assert L1(decoupled=decoupled).figures(model) == {"l1_zeros": 18 / (54 + 8)}


def test_only_the_method_in_use_is_there():
    assert hasattr(L1(), "loss") and not hasattr(L1(), "after_step")
    assert hasattr(L1(decoupled=True), "after_step") and not hasattr(L1(decoupled=True), "loss")


@pytest.mark.parametrize("decoupled", [False, True])
def test_nothing_to_act_on(decoupled):
    penalty, model = L1(decoupled=decoupled), nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match="^l1 finds no trainable weight of more than one dimension$"):
        penalty.after_step(model, dict.fromkeys(model.parameters(), 1.0)) if decoupled else penalty.loss(model)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="^strength must be at least 0, got -1$"):
        L1(-1.0)

"""Weight decay, coupled and decoupled."""

import pytest
import torch
from torch import nn

from tricktable.tricks.groups.norm_decay import norm_decay
from tricktable.tricks.penalty.l2 import L2


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(4, 2))
    model[2].bias.requires_grad_(False)
    return model


def test_the_coupled_equation_and_its_gradient():
    model = network()
    loss = L2(0.3).loss(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert loss.item() == pytest.approx(0.15 * sum(float((p.detach().double() ** 2).sum()) for p in trained), rel=1e-5)
    loss.backward()
    for p in trained:
        torch.testing.assert_close(p.grad, 0.3 * p.detach())
    assert model[2].bias.grad is None


def test_the_decoupled_equation():
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    L2(0.3, decoupled=True).after_step(model, dict.fromkeys(model.parameters(), 0.5))
    for p, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), (1 - 0.5 * 0.3) * old if p.requires_grad else old)


def test_each_weight_has_its_own_rate():
    layer = nn.Linear(3, 3)
    weight, bias = (p.detach().clone() for p in layer.parameters())
    L2(0.3, decoupled=True).after_step(layer, {layer.weight: 0.5, layer.bias: 0.0})
    torch.testing.assert_close(layer.weight.detach(), (1 - 0.5 * 0.3) * weight)
    assert torch.equal(layer.bias, bias)


def test_the_coupled_penalty_is_of_gamma_and_not_of_its_difference_from_1():
    model, plain = network(), network()
    norm_decay(model)
    loss, expected = L2(0.3).loss(model), L2(0.3).loss(plain)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    torch.testing.assert_close(model[1].parametrizations.weight.original.grad, 0.3 * torch.ones(3))


def test_the_decoupled_penalty_shrinks_gamma_and_not_its_difference_from_1():
    model = network()
    nn.init.uniform_(model[1].weight)
    gamma, weight = model[1].weight.detach().clone(), model[0].weight.detach().clone()
    norm_decay(model)
    delta = model[1].parametrizations.weight.original
    rates = {p: 0.2 if p is delta else 0.5 for p in model.parameters()}
    for _ in range(3):
        L2(0.3, decoupled=True).after_step(model, rates)
    torch.testing.assert_close(model[1].weight.detach(), (1 - 0.2 * 0.3) ** 3 * gamma)
    torch.testing.assert_close(model[0].weight.detach(), (1 - 0.5 * 0.3) ** 3 * weight)
    assert model[1].parametrizations.weight.original is delta


def test_a_computed_weight_that_is_frozen_is_left():
    model = network()
    norm_decay(model)
    model[1].parametrizations.weight.original.requires_grad_(False).fill_(0.5)
    before = L2(1.0).loss(model).item()
    L2(0.3, decoupled=True).after_step(model, dict.fromkeys(model.parameters(), 0.5))
    assert (model[1].weight == 1.5).all() and L2(1.0).loss(model).item() < before


def test_alone_and_without_momentum_both_shrink_the_weights_alike():
    coupled, decoupled = nn.Linear(3, 3), nn.Linear(3, 3)
    decoupled.load_state_dict(coupled.state_dict())
    optimizer = torch.optim.SGD(coupled.parameters(), lr=0.2)
    for _ in range(3):
        optimizer.zero_grad()
        L2(0.1).loss(coupled).backward()
        optimizer.step()
        L2(0.1, decoupled=True).after_step(decoupled, dict.fromkeys(decoupled.parameters(), 0.2))
    for a, b in zip(coupled.parameters(), decoupled.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_only_the_method_in_use_is_there():
    assert hasattr(L2(), "loss") and not hasattr(L2(), "after_step")
    assert hasattr(L2(decoupled=True), "after_step") and not hasattr(L2(decoupled=True), "loss")


@pytest.mark.parametrize("decoupled", [False, True])
def test_nothing_to_decay(decoupled):
    penalty, model = L2(decoupled=decoupled), nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="finds no trainable parameter"):
        penalty.after_step(model, dict.fromkeys(model.parameters(), 1.0)) if decoupled else penalty.loss(model)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="strength must be at least 0, got -1"):
        L2(-1.0)

"""Weight decay, coupled and decoupled."""

import pytest
import torch
from torch import nn

from tricks.penalty.l2 import L2


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
    L2(0.3, decoupled=True).after_step(model, {"lr": 0.5})
    for p, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), (1 - 0.5 * 0.3) * old if p.requires_grad else old)


def test_alone_and_without_momentum_both_shrink_the_weights_alike():
    coupled, decoupled = nn.Linear(3, 3), nn.Linear(3, 3)
    decoupled.load_state_dict(coupled.state_dict())
    optimizer = torch.optim.SGD(coupled.parameters(), lr=0.2)
    for _ in range(3):
        optimizer.zero_grad()
        L2(0.1).loss(coupled).backward()
        optimizer.step()
        L2(0.1, decoupled=True).after_step(decoupled, {"lr": 0.2})
    for a, b in zip(coupled.parameters(), decoupled.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_only_the_method_in_use_is_there():
    assert hasattr(L2(), "loss") and not hasattr(L2(), "after_step")
    assert hasattr(L2(decoupled=True), "after_step") and not hasattr(L2(decoupled=True), "loss")


@pytest.mark.parametrize("decoupled", [False, True])
def test_nothing_to_decay(decoupled):
    penalty, model = L2(decoupled=decoupled), nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="finds no trainable parameter"):
        penalty.after_step(model, {"lr": 1.0}) if decoupled else penalty.loss(model)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="strength must be at least 0, got -1"):
        L2(-1.0)

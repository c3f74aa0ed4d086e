"""Soft orthogonality, and its closed-form step against autograd."""

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.penalty.orthogonal import Orthogonal


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 5, 3), nn.Conv2d(1, 12, 3), nn.BatchNorm2d(3), nn.Linear(4, 4), nn.Linear(3, 2))
    model[4].weight.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


def acted_on(model):
    """A wide matrix, a tall one and a square one."""
    return [model[0].weight, model[1].weight, model[3].weight]


def test_the_coupled_equation():
    model, expected = network(), 0.0
    for weight in acted_on(model):
        w = weight.detach().double().numpy().reshape(len(weight), -1)
        gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
        expected += 0.3 * np.sum((gram - np.eye(len(gram))) ** 2)
    assert Orthogonal(0.3).loss(model).item() == pytest.approx(expected, rel=1e-5)


def test_the_side_of_the_product_changes_a_constant_alone():
    tall = nn.Linear(3, 7, bias=False).double()
    ours, w = Orthogonal(1.0).loss(tall), tall.weight
    other = (w @ w.T - torch.eye(7)).square().sum()
    torch.testing.assert_close(other - ours, torch.tensor(4.0, dtype=torch.float64))
    torch.testing.assert_close(torch.autograd.grad(ours, w), torch.autograd.grad(other, w))


def test_the_closed_form_step_is_a_gradient_step():
    stepped, model = network(), network()
    Orthogonal(0.1, decoupled=True).after_step(stepped, dict.fromkeys(stepped.parameters(), 0.2))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.2)
    Orthogonal(0.1).loss(model).backward()
    optimizer.step()
    for a, b, old in zip(stepped.parameters(), model.parameters(), network().parameters(), strict=True):
        torch.testing.assert_close(a, b)
        assert torch.equal(a, old) == (not any(a is p for p in acted_on(stepped)))
    assert stepped[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_each_weight_has_its_own_rate():
    stepped, slow, fast = network(), network(), network()
    rates = dict(zip(acted_on(stepped), (0.0, 0.1, 0.2), strict=True))
    Orthogonal(0.1, decoupled=True).after_step(stepped, rates)
    Orthogonal(0.1, decoupled=True).after_step(slow, dict.fromkeys(slow.parameters(), 0.1))
    Orthogonal(0.1, decoupled=True).after_step(fast, dict.fromkeys(fast.parameters(), 0.2))
    for i, model in enumerate((network(), slow, fast)):
        assert torch.equal(acted_on(stepped)[i], acted_on(model)[i])


def test_steps_end_at_orthonormal_rows_or_columns():
    model, penalty = network(), Orthogonal(0.1, decoupled=True)
    for _ in range(1000):
        penalty.after_step(model, dict.fromkeys(model.parameters(), 0.2))
    for weight in acted_on(model):
        singular = torch.linalg.svdvals(weight.detach().flatten(1))
        torch.testing.assert_close(singular, torch.ones_like(singular), rtol=1e-4, atol=1e-4)


def test_only_the_method_in_use_is_there():
    assert hasattr(Orthogonal(), "loss") and not hasattr(Orthogonal(), "after_step")
    assert hasattr(Orthogonal(decoupled=True), "after_step") and not hasattr(Orthogonal(decoupled=True), "loss")


@pytest.mark.parametrize("decoupled", [False, True])
def test_nothing_to_act_on(decoupled):
    penalty, model = Orthogonal(decoupled=decoupled), nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match="^orthogonal finds no trainable weight of more than one dimension$"):
        penalty.after_step(model, dict.fromkeys(model.parameters(), 1.0)) if decoupled else penalty.loss(model)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="^strength must be at least 0, got -1$"):
        Orthogonal(-1.0)

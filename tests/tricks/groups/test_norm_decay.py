"""Decay of gamma towards 1 or 0 and of beta towards 0, each with its own strength."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.groups.norm_decay import norm_decay
from tricktable.tricks.optimizer.lars import LARS


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4))
    nn.init.normal_(model[1].weight)
    nn.init.normal_(model[1].bias)
    return model


def batch():
    rng = torch.Generator().manual_seed(1)
    return torch.randn(8, 2, 5, 5, generator=rng), torch.randint(4, (8,), generator=rng)


def optimizer_of(make, groups, weight_decay):
    optimizer = make(groups, lr=0.1)
    for group in optimizer.param_groups:  # as the runner does it
        group["weight_decay"] = weight_decay * group.get("decay_scale", 1.0)
    return optimizer


def gradients(model):
    model.zero_grad()
    x, y = batch()
    F.cross_entropy(model(x), y).backward()


@pytest.mark.parametrize("target", [0, 1])
def test_sgd_follows_the_equation(target):
    model, plain = network(), network()
    optimizer = optimizer_of(torch.optim.SGD, norm_decay(model, 3.0, 0.5, target), 0.01)
    for _ in range(3):
        gradients(model)
        optimizer.step()
        gradients(plain)
        with torch.no_grad():
            conv, norm, linear = plain[0], plain[1], plain[4]
            norm.weight -= 0.1 * (norm.weight.grad + 0.03 * (norm.weight - target))
            norm.bias -= 0.1 * (norm.bias.grad + 0.005 * norm.bias)
            for p in (*conv.parameters(), *linear.parameters()):
                p.sub_(0.1 * (p.grad + 0.01 * p))
    for a, b in ((model[0], plain[0]), (model[1], plain[1]), (model[4], plain[4])):
        torch.testing.assert_close(a.weight, b.weight)
        torch.testing.assert_close(a.bias, b.bias)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adam])
@pytest.mark.parametrize("target", [0, 1])
def test_without_a_loss_every_optimizer_brings_gamma_to_its_target_and_beta_to_zero(make, target):
    model = network()
    optimizer = optimizer_of(make, norm_decay(model, target=target), 1.0)
    for _ in range(200):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    torch.testing.assert_close(model[1].weight, torch.full((3,), float(target)), atol=0.05, rtol=0)
    torch.testing.assert_close(model[1].bias, torch.zeros(3), atol=0.05, rtol=0)


def test_which_parameters_are_in_which_group():
    model = network()
    groups = norm_decay(model, 2.0, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert [[names[id(p)] for p in group["params"]] for group in groups] == [
        ["1.parametrizations.weight.original"],
        ["1.bias"],
        ["0.weight", "0.bias", "4.weight", "4.bias"],
    ]
    assert [group.get("decay_scale", 1) for group in groups] == [2, 0, 1]
    assert [group.get("origin") for group in groups] == [1, None, None]
    assert not any("origin" in group for group in norm_decay(network(), target=0))


def test_lars_goes_by_gamma_as_if_it_had_no_other_form():
    """Without decay the two targets are one: gamma's rate is that of its own norm, here of its first step too."""
    ways = []
    for target in (0, 1):
        model = network()
        nn.init.ones_(model[1].weight)
        optimizer = optimizer_of(LARS, norm_decay(model, target=target), 0.0)
        for _ in range(3):
            gradients(model)
            optimizer.step()
        ways.append([model[1].weight.detach(), model[1].bias.detach(), model[0].weight.detach()])
    assert all(
        (a - b).abs().max() > 1e-6
        for a, b in zip(ways[0], [torch.ones(3), network()[1].bias, network()[0].weight], strict=True)
    )
    for a, b in zip(*ways, strict=True):
        torch.testing.assert_close(a, b)


def test_the_network_computes_the_same_and_so_does_its_copy():
    model, x = network(), batch()[0]
    before = model.eval()(x)
    norm_decay(model)
    assert isinstance(model[1], nn.BatchNorm2d)
    torch.testing.assert_close(model(x), before)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        model[1].parametrizations.weight.original += 1
    torch.testing.assert_close(twin(x), before)


def test_a_saved_state_comes_back_with_equal_bits():
    model, other = network(), network()
    optimizer = torch.optim.SGD(norm_decay(model), lr=0.1)
    gradients(model)
    optimizer.step()
    norm_decay(other)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model[1].weight, other[1].weight)


def test_the_target_zero_leaves_the_model_as_it_is():
    model = network()
    norm_decay(model, target=0)
    assert model.state_dict().keys() == network().state_dict().keys()


def test_normalisations_without_beta_or_with_a_frozen_one():
    model = nn.Sequential(nn.GroupNorm(1, 4), nn.RMSNorm(4))
    model[0].bias.requires_grad_(False)
    (group,) = norm_decay(model, target=0)
    assert [id(p) for p in group["params"]] == [id(model[0].weight), id(model[1].weight)]


@pytest.mark.parametrize("model", [nn.Linear(3, 3), nn.BatchNorm2d(3, affine=False)])
def test_nothing_to_decay(model):
    with pytest.raises(ValueError, match="finds no trainable gamma"):
        norm_decay(model)


@pytest.mark.parametrize("name", ["gamma_decay", "beta_decay"])
def test_out_of_range(name):
    with pytest.raises(ValueError, match=rf"^{name} must be at least 0, got -1"):
        norm_decay(network(), **{name: -1.0})

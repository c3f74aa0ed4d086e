"""Inference example weighing against the paper's equations, one image and one channel at a time."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.inference.example_weight import ExampleWeight


class Grouped(nn.Module):
    """A normalisation whose running statistics are of groups of consecutive channels."""

    def __init__(self, channels, groups):
        super().__init__()
        self.eps = 1e-3
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(groups))
        self.register_buffer("running_var", torch.ones(groups))

    def forward(self, x):
        each = x.shape[1] // len(self.running_mean)
        m, v = (b.repeat_interleave(each).view(-1, 1, 1) for b in (self.running_mean, self.running_var))
        return (x - m) / (v + self.eps).sqrt() * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


def filled(norm):
    """Statistics and an affine map as after training."""
    torch.manual_seed(1)
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        for parameter in norm.parameters():
            parameter.normal_()
    return norm.eval()


NORMS = {
    "batch": lambda: nn.BatchNorm2d(6),
    "batch without gamma and beta": lambda: nn.BatchNorm2d(6, affine=False),
    "two groups": lambda: Grouped(6, 2),
    "one group": lambda: Grouped(6, 1),
}


def naive(norm, x, alpha):
    """The equations as they stand, in double precision."""
    x, y = x.double().numpy(), np.empty(x.shape)
    mean, var = (b.double().numpy() for b in (norm.running_mean, norm.running_var))
    each = x.shape[1] // len(mean)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            g = c // each
            pixels = x[i, g * each : (g + 1) * each]
            mu = alpha * pixels.mean() + (1 - alpha) * mean[g]
            sigma2 = alpha * (pixels**2).mean() + (1 - alpha) * (var[g] + mean[g] ** 2) - mu**2
            gamma, beta = (1, 0) if norm.weight is None else (norm.weight[c].item(), norm.bias[c].item())
            y[i, c] = gamma * (x[i, c] - mu) / np.sqrt(sigma2 + norm.eps) + beta
    return y


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.6, 1.0])
@pytest.mark.parametrize("size", [(4, 5), (1, 1)])
def test_the_equations(kind, alpha, size):
    norm = filled(NORMS[kind]())
    x = torch.randn(3, 6, *size) * 2 + 0.5
    out = ExampleWeight([norm], alpha).eval()(x)
    np.testing.assert_allclose(out.detach().numpy(), naive(norm, x, alpha), rtol=1e-4, atol=1e-4)


def test_batch_normalisation_without_pixels():
    norm, x = filled(nn.BatchNorm1d(6)), torch.randn(3, 6)
    out = ExampleWeight([norm], 0.3).eval()(x)
    np.testing.assert_allclose(out.detach().numpy(), naive(norm, x[:, :, None], 0.3)[:, :, 0], rtol=1e-4, atol=1e-5)


def network():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    for module in (body[1], body[4]):
        filled(module)
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


def test_alpha_zero_is_the_plain_network():
    model, x = network(), torch.randn(5, 2, 8, 8)
    assert torch.equal(ExampleWeight([model], 0.0).eval()(x), model(x))
    torch.testing.assert_close(ExampleWeight([model], 1e-9).eval()(x), model(x))


def test_alpha_one_is_instance_normalisation():
    model, x = network(), torch.randn(5, 2, 8, 8)
    h = x
    for module in model[0]:
        if isinstance(module, nn.BatchNorm2d):
            h = F.instance_norm(h, weight=module.weight, bias=module.bias, eps=module.eps)
        else:
            h = module(h)
    torch.testing.assert_close(ExampleWeight([model], 1.0).eval()(x), model[1:](h))


def test_an_image_does_not_depend_on_the_others():
    module, x = ExampleWeight([network()], 0.4).eval(), torch.randn(5, 2, 8, 8)
    torch.testing.assert_close(module(x)[3:4], module(x[3:4]))


def test_the_given_model_stays_as_it_is():
    model, x = network().train(), torch.randn(5, 2, 8, 8)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    module = ExampleWeight([model], 0.5).eval()
    weighed = module(x)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not torch.allclose(model.eval()(x), weighed)
    again = ExampleWeight([model], 0.0).eval()(x)
    assert torch.equal(again, model(x))


def test_an_alpha_is_chosen_among_candidates_that_include_the_plain_network():
    model, x = network(), torch.randn(5, 2, 8, 8)
    module = ExampleWeight([model]).eval()
    assert module.candidates[0] == 0 and all(0 <= alpha <= 1 for alpha in module.candidates)
    assert torch.equal(module(x), model(x))
    module.choose(module.candidates[-1])
    assert torch.equal(module(x), ExampleWeight([model], module.candidates[-1]).eval()(x))
    assert not torch.allclose(module(x), model(x))


def test_a_given_alpha_leaves_nothing_to_choose():
    assert ExampleWeight([network()], 0.1).candidates == () == ExampleWeight([network()], 0.0).candidates


def test_a_mean_far_from_zero_does_not_cancel():
    norm, x = filled(nn.BatchNorm2d(6)), torch.randn(3, 6, 4, 5) + 3000
    norm.running_mean += 3000
    out = ExampleWeight([norm], 0.5).eval()(x)
    np.testing.assert_allclose(out.detach().numpy(), naive(norm, x, 0.5), rtol=1e-2, atol=1e-2)


def test_statistics_of_half_precision_are_single():
    norm, x = filled(nn.BatchNorm2d(6)), (torch.randn(3, 6, 16, 16) + 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = ExampleWeight([norm], 0.5).eval()(x)
    assert out.dtype == torch.bfloat16
    np.testing.assert_allclose(out.float().detach().numpy(), naive(norm, x, 0.5), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_stays(kind, memory_format):
    x = torch.randn(3, 6, 4, 5).to(memory_format=memory_format)
    out = ExampleWeight([filled(NORMS[kind]())], 0.5).eval()(x)
    assert out.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_out_of_range(alpha):
    with pytest.raises(ValueError, match=rf"^alpha must lie in \[0, 1\], got {alpha}$"):
        ExampleWeight([network()], alpha)


def test_nothing_to_act_on():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.BatchNorm2d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="^example_weight finds no normalisation with running statistics$"):
        ExampleWeight([model])


@pytest.mark.parametrize("number", [0, 2])
def test_exactly_one_model(number):
    with pytest.raises(ValueError, match=f"^example_weight takes exactly one model, got {number}$"):
        ExampleWeight([network() for _ in range(number)])

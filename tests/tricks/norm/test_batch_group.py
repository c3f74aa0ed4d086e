"""Batch group normalization against its equation."""

import pytest
import torch
from torch import nn

from tricktable.tricks.norm.batch_group import BatchGroupNorm


def make(channels=6, examples=4, per_group=3, **arguments):
    norm = BatchGroupNorm(channels, examples, per_group, **arguments)
    torch.manual_seed(0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def transcription(x, sizes, per_group, weight, bias):
    out, first = torch.empty_like(x), 0
    for size in sizes:
        images = slice(first, first + size)
        for c in range(0, x.shape[1], per_group):
            values = x[images, c : c + per_group]
            mu = values.sum() / values.numel()
            variance = (values - mu).square().sum() / values.numel()
            out[images, c : c + per_group] = (values - mu) / (variance + 1e-5).sqrt()
        first += size
    return out * weight[:, None, None] + bias[:, None, None]


def with_parameters_of(norm, other):
    other.load_state_dict({**other.state_dict(), "weight": norm.weight, "bias": norm.bias})
    return other


@pytest.mark.parametrize(
    ("examples", "sizes"), [(4, (4, 4)), (3, (3, 3, 2)), (7, (7, 1)), (1, (1,) * 8), (None, (8,)), (20, (8,))]
)
@pytest.mark.parametrize("per_group", [1, 2, 6])
def test_the_equation(examples, sizes, per_group):
    norm = make(6, examples, per_group).double()
    x = torch.randn(8, 6, 3, 2, dtype=torch.float64) * 2 + torch.arange(6.0)[:, None, None]
    torch.testing.assert_close(norm(x), transcription(x, sizes, per_group, norm.weight, norm.bias))


def test_one_example_a_group_is_group_norm():
    norm = make(examples=1)
    x = torch.randn(8, 6, 3, 3)
    torch.testing.assert_close(norm(x), with_parameters_of(norm, nn.GroupNorm(2, 6))(x))


def test_one_channel_a_group_and_the_whole_batch_is_batch_norm():
    norm = make(examples=None, per_group=1)
    plain = with_parameters_of(norm, nn.BatchNorm2d(6))
    for step in range(3):
        x = torch.randn(8, 6, 3, 3) + step
        torch.testing.assert_close(norm(x), plain(x))
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_var, plain.running_var)
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("size", [4, 3])
def test_one_channel_a_group_is_ghost_batch_norm(size):
    norm = make(6, size, 1)
    x = torch.randn(8, 6, 3, 3)
    ghosts = [with_parameters_of(norm, nn.BatchNorm2d(6))(ghost) for ghost in x.split(size)]
    torch.testing.assert_close(norm(x), torch.cat(ghosts))


@pytest.mark.parametrize("examples", [None, 4, 3, 1])
@pytest.mark.parametrize("momentum", [0.25, None])
def test_running_averages_are_the_whole_batchs_for_each_group_of_channels(examples, momentum):
    norm = make(examples=examples, momentum=momentum)
    mean, var = torch.zeros(2), torch.ones(2)
    for step in (1, 2, 3):
        x = torch.randn(8, 6, 3, 3) + torch.arange(8.0)[:, None, None, None] + step
        norm(x)
        weight = 1 / step if momentum is None else momentum
        for g in range(2):
            values = x[:, 3 * g : 3 * g + 3]
            mean[g] += weight * (values.mean() - mean[g])
            var[g] += weight * (values.var() - var[g])
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)


def test_evaluation_uses_the_running_averages_of_the_channels_group():
    norm = make()
    norm(torch.randn(8, 6, 3, 3) * 2 + 3)
    x = torch.randn(2, 6, 3, 3)
    out = norm.eval()(x)
    for c in range(6):
        deviation = (norm.running_var[c // 3] + 1e-5).sqrt()
        expected = (x[:, c] - norm.running_mean[c // 3]) / deviation * norm.weight[c] + norm.bias[c]
        torch.testing.assert_close(out[:, c], expected)


@pytest.mark.parametrize("examples", [4, 3])
def test_the_gradient(examples):
    norm = make(4, examples, 2).double()
    x = torch.randn(8, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, x, fast_mode=True)


def test_a_single_value_that_is_left_over_joins_the_group_before_it():
    norm = make(6, 4, 1).double()
    x = torch.randn(9, 6, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(norm(x), transcription(x, (4, 5), 1, norm.weight, norm.bias))
    torch.testing.assert_close(norm(x[:5]), transcription(x[:5], (5,), 1, norm.weight, norm.bias))


def test_one_value_has_no_variance():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        make(6, 1, 1)(torch.randn(4, 6, 1, 1))


def test_buffers_are_one_for_each_group_of_channels_and_parameters_one_a_channel():
    norm = make()
    assert norm.running_mean.shape == norm.running_var.shape == (2,)
    assert norm.weight.shape == norm.bias.shape == (6,)
    again = make()
    norm(torch.randn(8, 6, 3, 3))
    again.load_state_dict(norm.state_dict())
    assert torch.equal(again.running_var, norm.running_var)


@pytest.mark.parametrize("examples", [None, 4, 3])
def test_it_keeps_the_type_and_the_memory_format(examples):
    x = torch.randn(8, 6, 4, 4).to(memory_format=torch.channels_last)
    out = make(examples=examples)(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        half = make(examples=examples)(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(half.float(), out, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"examples": 0}, "^examples_per_group must be null or at least 1, got 0$"),
        ({"per_group": 4}, "^channels_per_group must divide each layer's channels, got 4 for 6 channels$"),
        ({"per_group": 0}, "channels_per_group must divide"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"momentum": 1.5}, "momentum must lie in"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=line):
        make(**arguments)

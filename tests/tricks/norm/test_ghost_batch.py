"""Ghost batch normalization against its equation."""

import pytest
import torch
from torch import nn

from tricktable.tricks.norm.ghost_batch import GhostBatchNorm


def make(channels=3, size=4, **arguments):
    norm = GhostBatchNorm(channels, size, **arguments)
    torch.manual_seed(0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def ghosts_of(x, *sizes):
    """Each ghost batch normalised by itself, without gamma and beta."""
    outs = []
    for ghost in x.split(sizes):
        mu = ghost.mean((0, 2, 3), keepdim=True)
        outs.append((ghost - mu) / ((ghost - mu).square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt())
    return torch.cat(outs)


@pytest.mark.parametrize(
    ("size", "sizes"), [(4, (4, 4, 4)), (3, (3, 3, 3, 3)), (5, (5, 5, 2)), (11, (11, 1)), (1, (1,) * 12)]
)
def test_the_equation(size, sizes):
    norm = make(size=size).double()
    x = torch.randn(12, 3, 2, 5, dtype=torch.float64) * 2 + torch.arange(12.0)[:, None, None, None]
    expected = ghosts_of(x, *sizes) * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("size", [4, 5])
def test_the_gradient(size):
    norm = make(2, size).double()
    x = torch.randn(8, 2, 2, 2, dtype=torch.float64, requires_grad=True)

    def apply(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, x)

    assert torch.autograd.gradcheck(
        apply, (x, norm.weight.detach().requires_grad_(), norm.bias.detach().requires_grad_()), fast_mode=True
    )


@pytest.mark.parametrize("size", [4, 5, 7])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_averages_are_the_whole_batchs_as_torchs(size, momentum):
    norm, plain = make(size=size, momentum=momentum), nn.BatchNorm2d(3, momentum=momentum)
    for step in range(3):
        x = torch.randn(8, 3, 4, 4) + torch.arange(8.0)[:, None, None, None] + step
        norm(x)
        plain(x)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_var, plain.running_var)
    assert norm.num_batches_tracked == 3


def test_the_running_variance_of_a_far_constant_is_not_negative():
    norm = make(size=3, momentum=1.0)
    norm(torch.full((8, 3, 4, 4), 1234.5))
    assert (norm.running_var >= 0).all()


@pytest.mark.parametrize("size", [8, 9])
def test_from_the_batch_size_on_it_is_batch_norm_to_the_bit(size):
    norm, plain = make(size=size), nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(8, 3, 4, 4)
    assert torch.equal(norm(x), plain(x))
    assert all(torch.equal(a, b) for a, b in zip(norm.buffers(), plain.buffers(), strict=True))


def test_evaluation_is_batch_norms():
    norm, plain = make(), nn.BatchNorm2d(3)
    norm(torch.randn(8, 3, 4, 4) + 3)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(8, 3, 4, 4)
    assert torch.equal(norm.eval()(x), plain.eval()(x))


def test_a_single_value_that_is_left_over_joins_the_ghost_batch_before_it():
    norm = make(size=4).double()
    x = torch.randn(9, 3, 1, 1, dtype=torch.float64)
    expected = ghosts_of(x, 4, 5) * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)
    plain = nn.BatchNorm2d(3).double()
    plain.load_state_dict({**plain.state_dict(), "weight": norm.weight, "bias": norm.bias})
    assert torch.equal(norm(x[:5]), plain(x[:5]))


def test_one_value_has_no_variance():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        make(size=1)(torch.randn(4, 3, 1, 1))


@pytest.mark.parametrize("size", [4, 5])
def test_it_keeps_the_type_and_the_memory_format(size):
    x = torch.randn(8, 3, 4, 4).to(memory_format=torch.channels_last)
    norm = make(size=size)
    out = norm(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        half = make(size=size)(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(half.float(), out, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"size": 0}, "^ghost_batch_size must be at least 1, got 0$"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"momentum": 0.0}, "momentum must lie in"),
        ({"momentum": 1.5}, "1.5"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=line):
        make(**arguments)

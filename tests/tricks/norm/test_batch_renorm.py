"""Batch renormalization against its equations."""

import pytest
import torch
from torch import nn

from tricktable.tricks.norm.batch_renorm import BatchRenorm


def make(channels=3, batches=None, **arguments):
    """`batches` have been seen, with averages that are not a batch's."""
    norm = BatchRenorm(channels, **arguments)
    torch.manual_seed(0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    if batches is not None:
        norm.num_batches_tracked.fill_(batches)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.2, 4)
    return norm


def bounds(norm, batches):
    grown = min(1, batches / norm.warmup_steps)
    return 1 + (norm.r_max - 1) * grown, norm.d_max * grown


def transcription(norm, x, r_max, d_max):
    outs = []
    for c in range(x.shape[1]):
        values = x[:, c]
        mu_batch = values.mean()
        sigma_batch = ((values - mu_batch).square().mean() + norm.eps).sqrt()
        mu, sigma = norm.running_mean[c].clone(), (norm.running_var[c] + norm.eps).sqrt()
        r = (sigma_batch / sigma).clamp(1 / r_max, r_max).detach()
        d = ((mu_batch - mu) / sigma).clamp(-d_max, d_max).detach()
        outs.append(norm.weight[c] * ((values - mu_batch) / sigma_batch * r + d) + norm.bias[c])
    return torch.stack(outs, 1)


@pytest.mark.parametrize("batches", [0, 3, 10, 25])
@pytest.mark.parametrize("limits", [{}, {"r_max": 1.2, "d_max": 0.3}])
def test_the_equations_and_their_gradients(batches, limits):
    norm = make(batches=batches, warmup_steps=10, **limits).double()
    x = (torch.randn(6, 3, 4, 4, dtype=torch.float64) * 1.5 + 1).requires_grad_()
    given = (x, norm.weight, norm.bias)
    expected = transcription(norm, x, *bounds(norm, batches))
    direction = torch.randn_like(x)
    wanted = torch.autograd.grad(expected, given, direction)
    out = norm(x)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(torch.autograd.grad(out, given, direction), wanted)


def test_without_clipping_training_gives_what_evaluation_gives():
    norm = make(batches=1, r_max=1e6, d_max=1e6, warmup_steps=1)
    x = torch.randn(6, 3, 4, 4)
    expected = norm.eval()(x)
    torch.testing.assert_close(norm.train()(x), expected)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_without_correction_it_is_batch_norm(momentum):
    norm = make(r_max=1.0, d_max=0.0, warmup_steps=1, momentum=momentum)
    plain = nn.BatchNorm2d(3, momentum=momentum)
    plain.load_state_dict(norm.state_dict())
    for step in range(4):
        x = torch.randn(8, 3, 4, 4) + step
        torch.testing.assert_close(norm(x), plain(x))
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x))


def test_the_first_batch_is_batch_norms():
    norm, plain = make(warmup_steps=1), nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(8, 3, 4, 4) * 2 + 3
    torch.testing.assert_close(norm(x), plain(x))
    assert not torch.allclose(norm(x), plain(x), atol=0.1)


def test_one_value_has_no_variance():
    norm = make()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(torch.randn(1, 3, 1, 1))
    assert norm(torch.randn(2, 3, 1, 1)).isfinite().all()


def test_it_keeps_the_type_and_the_memory_format():
    x = torch.randn(8, 3, 4, 4).to(memory_format=torch.channels_last)
    out = make(batches=500)(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        half = make(batches=500)(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(half.float(), out, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"r_max": 0.5}, "^r_max must be at least 1, got 0.5$"),
        ({"d_max": -1.0}, "^d_max must be at least 0, got -1$"),
        ({"warmup_steps": 0}, "^warmup_steps must be at least 1, got 0$"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"momentum": 0.0}, "momentum must lie in"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=line):
        make(**arguments)

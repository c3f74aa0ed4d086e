"""SGD with momentum against the update written out."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.tricks.optimizer.problem import steady
from tricktable.tricks.optimizer.sgd import SGD


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 0.0, "weight_decay": 0.0},
        {"momentum": 0.9},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.5},
    ],
)
def test_the_equation_on_a_quadratic(arguments):
    start, curvature = np.array([1.0, -2.0, 3.0]), np.array([1.0, 0.5, 2.0])
    w, u, lr = start.copy(), None, 0.1
    momentum, dampening = arguments["momentum"], arguments.get("dampening", 0.0)
    decay = arguments.get("weight_decay", 1e-4)
    p = nn.Parameter(torch.tensor(start))
    optimizer = SGD([{"params": [p]}], lr=lr, **arguments)
    for _ in range(6):
        g = curvature * w + decay * w
        u = g if u is None else momentum * u + (1 - dampening) * g  # torch's first velocity is not dampened
        w = w - lr * (g + momentum * u if arguments.get("nesterov") else u)

        def closure():
            optimizer.zero_grad()
            loss = (torch.tensor(curvature) * p**2).sum() / 2
            loss.backward()
            return loss

        optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), w, rtol=1e-12)


def test_the_defaults_and_the_groups_own_keys():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = SGD([{"params": [a]}, {"params": [b], "decay_scale": 0.0}])
    group = optimizer.param_groups[1]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.1, 0.9, 1e-4, False)
    assert group["decay_scale"] == 0 and group["foreach"] and not group["fused"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_one_kernel_on_a_gpu():
    optimizer = SGD([{"params": [nn.Parameter(torch.zeros(1, device="cuda"))]}])
    assert optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"dampening": 2.0}, r"dampening must lie in \[0, 1\], got 2"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum above 0"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=line):
        SGD([{"params": [nn.Parameter(torch.zeros(1))]}], **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 0.0},
        {"momentum": 0.0, "dampening": 0.5},
        {"momentum": 0.5},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.9},
        {"momentum": 0.8, "dampening": 0.5},
    ],
)
def test_the_step_of_a_steady_gradient(arguments):
    make = lambda groups: SGD(groups, **arguments, weight_decay=0.0)  # noqa: E731
    m, dampening = arguments["momentum"], arguments.get("dampening", 0.0)
    gain = make([{"params": [nn.Parameter(torch.zeros(1))]}]).momentum_gain(m)
    assert gain == pytest.approx((1 - dampening) / (1 - m) if m else 1)
    assert steady(make) == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 0.0},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
    ],
)
def test_the_step_is_torchs_to_the_bit(arguments):
    drawn = torch.Generator().manual_seed(0)
    values = [torch.randn(size, generator=drawn) for size in ((4, 3), (5,), (2,))]
    ours, theirs = ([nn.Parameter(value.clone()) for value in values] for _ in range(2))
    weight_decay = arguments.get("weight_decay", 1e-4)
    a = SGD([{"params": ours[:2]}, {"params": ours[2:]}], lr=0.3, **arguments)
    named = {"lr": 0.3, "weight_decay": weight_decay, **arguments}
    b = torch.optim.SGD([{"params": theirs[:2]}, {"params": theirs[2:]}], foreach=True, **named)
    for step in range(4):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = None if step == 1 and p is ours[1] else torch.randn(p.shape, generator=drawn)
            q.grad = None if p.grad is None else p.grad.clone()
        assert a.step(lambda: 7.0) == 7.0
        b.step()
        if step == 2:  # a schedule moves them between steps
            for group in (*a.param_groups, *b.param_groups):
                group["lr"], group["momentum"] = 0.07, 0.8 if arguments["momentum"] else 0.0
        assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))
    assert [len(a.state[p]) for p in ours] == [len(b.state[q]) for q in theirs]
    assert len(ours) == 3 and all(p.requires_grad for p in ours)


class OnGpu(nn.Parameter):
    """A parameter that says it is on a GPU: the kernel for a CPU has the same arguments."""

    is_cuda = property(lambda self: True)


def test_a_first_step_that_a_scaler_leaves_out_leaves_velocities_of_zero():
    """found_inf is torch's: the kernel does nothing where it is 1."""
    p, q = OnGpu(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([1.0, 2.0]))
    one, other = SGD([{"params": [p]}], weight_decay=0.1), SGD([{"params": [q]}], weight_decay=0.1)
    assert one.param_groups[0]["fused"] and not other.param_groups[0]["fused"]
    one.grad_scale, one.found_inf = torch.ones(()), torch.ones(())
    p.grad = torch.tensor([torch.inf, 1.0])
    one.step()
    assert p.tolist() == [1, 2] and one.state[p]["momentum_buffer"].tolist() == [0, 0]
    one.found_inf = torch.zeros(())
    for g in ([1.0, 1.0], [0.5, -1.0]):
        p.grad, q.grad = torch.tensor(g), torch.tensor(g)
        one.step()
        other.step()
        torch.testing.assert_close(p.detach(), q.detach())


def test_where_it_dampens_it_takes_no_fused_step():
    """Of velocities that begin as zeros the first would be dampened, and torch's is not."""
    assert not SGD([{"params": [OnGpu(torch.zeros(1))]}], dampening=0.5).param_groups[0]["fused"]

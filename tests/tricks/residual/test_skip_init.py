"""SkipInit: alpha times the sum of the branches, alpha learned from 0 on."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.models.preact_resnet import PreActResNet
from tricktable.models.resnet import ResNet
from tricktable.tricks.groups.no_decay import no_decay
from tricktable.tricks.init.he import he
from tricktable.tricks.residual.skip_init import SkipInit


def test_a_block_begins_as_zero_and_moves_by_alpha_alone():
    torch.manual_seed(0)
    a, b = (torch.randn(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    trick = SkipInit(1, 9, 2, 2)
    out = trick(a, b)
    upstream = torch.randn_like(out)
    out.backward(upstream)
    assert not out.any() and not a.grad.any() and not b.grad.any()
    torch.testing.assert_close(trick.alpha.grad, ((a + b) * upstream).sum())


@pytest.mark.parametrize("branches", [1, 2, 3])
def test_the_equation(branches):
    tensors = [torch.randn(2, 3, 4, 4) for _ in range(branches)]
    trick = SkipInit(1, 9, branches, 2, alpha=0.25)
    for out in (trick(*tensors), trick.eval()(*tensors)):
        torch.testing.assert_close(out, 0.25 * torch.stack(tensors).sum(0))


def test_halves_stay_halves_and_channels_last_stays():
    x = torch.randn(4, 8, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    out = SkipInit(1, 1, 1, 2, alpha=0.5)(x)
    assert out.dtype is torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)


def test_a_network_without_normalisation_begins_as_its_shortcuts_and_trains():
    torch.manual_seed(0)
    model = ResNet(10, 1, depth=8, width=4, norm=lambda channels: nn.Identity(), residual=SkipInit)
    x = torch.randn(8, 1, 8, 8)
    around = model.stem(x)
    for block in model.blocks:
        around = F.relu(block.shortcut(around))
    torch.testing.assert_close(model.blocks(model.stem(x)), around)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(8)).backward()
        optimizer.step()
    assert all(m.alpha != 0 for m in model.modules() if isinstance(m, SkipInit))
    assert all(p.grad.any() for p in model.parameters())


def test_alpha_is_exempt_from_decay():
    model = ResNet(10, 1, depth=8, width=4, residual=functools.partial(SkipInit, alpha=0.1))
    _, exempt = no_decay(model)
    alphas = [m.alpha for m in model.modules() if isinstance(m, SkipInit)]
    assert len(alphas) == 3
    assert all(any(alpha is p for p in exempt["params"]) for alpha in alphas)


def variances_by_block(norm):
    """Of what comes out of each of the nine blocks of a network's first stage, at initialisation, for noise."""
    torch.manual_seed(0)
    model, found = PreActResNet(10, depth=56, width=32, activated="none", norm=norm), []
    he(model)
    for block in model.blocks[:9]:
        block.register_forward_hook(lambda module, inputs, output: found.append(output.detach().var().item()))
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 32, 32))
    return found


def test_the_paper_by_depth_normalised_branches_add_one_each_and_others_double_the_sum():
    """A normalised branch adds a variance of 1, so it is 1 / l of the sum; another one adds as much as is there."""
    normalised = variances_by_block(nn.BatchNorm2d)
    steps = torch.tensor(normalised).diff()
    assert steps.mean().item() == pytest.approx(1, rel=0.25) and steps.min() > 0.5 and steps.max() < 1.5
    plain = torch.tensor(variances_by_block(lambda channels: nn.Identity()))
    ratios = plain[1:] / plain[:-1]
    assert ratios.log().mean().exp().item() == pytest.approx(2, rel=0.15) and plain[-1] > 100 * plain[0]

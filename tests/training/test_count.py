"""Counting against torch's own counter, and what a pass of blank images leaves behind: nothing."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tricktable.runner.training.count import count, dry_pass


class Products(nn.Module):
    """Each kind of product that is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(12, 5))
        self.up = nn.ConvTranspose2d(3, 6, 3, stride=2, groups=3)
        self.grouped = nn.Conv2d(6, 12, 3, padding=1, groups=2)

    def forward(self, x):
        z = self.grouped(self.up(x)).flatten(2).mT  # 1 x 289 x 12
        z = F.scaled_dot_product_attention(z, z[:, :7], z[:, :7])
        return torch.baddbmm(z @ self.weight, z, self.weight[None]).sum(1) + torch.einsum("bnc,cd->bd", z, self.weight)


def torchs(model, shape):
    with FlopCounterMode(display=False) as counter:
        dry_pass(model, (1, *shape), training=False)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 4)),
        Products(),
    ],
    ids=["convolutions", "products"],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_multiply_adds_are_those_of_torchs_counter(model, device):
    model = model.to(device)
    counted = count(model, (3, 8, 8))
    assert counted.flops == 2 * counted.madds == torchs(model, (3, 8, 8)) > 0


def test_an_attention_of_torchs_own_layer_is_counted_whole():
    """In evaluation torch computes it in one operation, in which no counter sees the products."""
    layer, n, d, wide = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True), 4 * 5, 8, 16
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(2), nn.Unflatten(2, (n,)), Transposed(), layer)
    assert count(model, (3, 4, 5)).madds == n * (3 * d + 4 * d * d + 2 * n * d + 2 * d * wide)
    assert torch.backends.mha.get_fastpath_enabled()


class Transposed(nn.Module):
    def forward(self, x):
        return x.mT


@pytest.mark.parametrize("device", [None, "meta"])
def test_a_pass_leaves_nothing_behind(device):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    dry_pass(model, (2, 3, 5, 5), training=True, device=device)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn) and not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())

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


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 8, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.Conv2d(3, 6, 5, padding="same", groups=3),
        nn.ConvTranspose2d(3, 8, 3, stride=(2, 3), padding=1, output_padding=1, dilation=2),
        nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 8, 4, stride=3)),
    ],
)
def test_a_convolution_that_is_not_computed_has_its_shape(layer):
    """By the multiply-adds of what follows it."""
    after = nn.LazyConv1d(5, 3) if isinstance(layer, nn.Sequential) else nn.LazyConv2d(5, 3)
    model = nn.Sequential(layer, nn.BatchNorm1d(8) if isinstance(after, nn.LazyConv1d) else nn.Identity(), after)
    model(torch.zeros(2, 3, 11, 14))
    assert 2 * count(model, (3, 11, 14)).madds == torchs(model, (3, 11, 14)) > 0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Conv2d(3, 4, 9), "Kernel size can't be greater"),
        (nn.Conv2d(2, 4, 3), "to have 2 channels, but got 3"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), "cannot be multiplied"),
    ],
)
def test_what_does_not_fit_is_said_by_torch(model, said):
    with pytest.raises(RuntimeError, match=said):
        count(model, (3, 8, 8))


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

"""LayerScale: diag(lambda) times the sum of the branches, each lambda learned from epsilon on."""

import functools

import pytest
import torch
from torch.nn import functional as F

from tricktable.models.resnet import ResNet
from tricktable.tricks.groups.no_decay import no_decay
from tricktable.tricks.residual.layer_scale import LayerScale


@pytest.mark.parametrize("branches", [1, 2, 3])
def test_the_equation_and_its_gradients(branches):
    torch.manual_seed(0)
    tensors = [torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(branches)]
    trick = LayerScale(1, 9, branches, 3).double()
    with torch.no_grad():
        trick.scale.copy_(torch.tensor([0.5, -2.0, 0.0]))
    upstream = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    out = trick(*tensors)
    out.backward(upstream)
    total = sum(tensor.detach() for tensor in tensors)
    diagonal = torch.diag(trick.scale.detach())
    torch.testing.assert_close(out.detach(), torch.einsum("cd,bdhw->bchw", diagonal, total))
    torch.testing.assert_close(trick.scale.grad, torch.einsum("bchw,bchw->c", upstream, total))
    for tensor in tensors:
        torch.testing.assert_close(tensor.grad, torch.einsum("cd,bdhw->bchw", diagonal, upstream))
    torch.testing.assert_close(trick.eval()(*tensors), out)


@pytest.mark.parametrize("epsilon", [0.1, 1e-6])
def test_it_begins_with_epsilon_in_every_channel(epsilon):
    assert torch.equal(LayerScale(1, 9, 1, 7, epsilon).scale, torch.full((7,), epsilon))


def test_halves_stay_halves_and_channels_last_stays():
    x = torch.randn(4, 8, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    out = LayerScale(1, 1, 1, 8, 0.5)(x)
    assert out.dtype is torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_network_has_one_number_for_each_output_channel_all_trained_and_spared_from_decay(block):
    torch.manual_seed(0)
    depth, expansion = {"basic": (8, 1), "bottleneck": (11, 4)}[block]
    residual = functools.partial(LayerScale, epsilon=0.1)
    model = ResNet(10, 1, depth=depth, width=4, block=block, residual=residual)
    scales = [m.scale for m in model.modules() if isinstance(m, LayerScale)]
    assert [len(scale) for scale in scales] == [4 * expansion, 8 * expansion, 16 * expansion]
    F.cross_entropy(model(torch.randn(8, 1, 8, 8)), torch.arange(8)).backward()
    assert all(scale.grad.isfinite().all() and scale.grad.any() for scale in scales)
    _, exempt = no_decay(model)
    assert {id(scale) for scale in scales} <= {id(p) for p in exempt["params"]}

"""compute.pad_channels: other shapes, the same mathematics; and what does not know of it."""

import copy

import pytest
import torch
from torch import nn

from tests.conftest import ROOT
from tricktable.models.pyramidnet import PyramidNet
from tricktable.models.resnet import ResNet
from tricktable.runner.config import compose, schema
from tricktable.runner.errors import BadInput
from tricktable.runner.training import job, padding
from tricktable.runner.training.train import train


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors, on a machine that others use: threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


NETWORKS = {
    "pyramidnet": lambda **more: PyramidNet(10, depth=8, alpha=20, width=5, **more),  # 5, 12, 18, 25 channels
    "bottleneck": lambda **more: PyramidNet(10, depth=11, alpha=8, width=3, block="bottleneck", **more),
    "multiplied": lambda **more: PyramidNet(10, depth=8, alpha=4, widening="mul", width=5, **more),
    "option A": lambda **more: ResNet(10, depth=8, width=5, **more),
}


def biased(*arguments, **named):
    named["bias"] = True
    return nn.Conv2d(*arguments, **named)


def pair(make, multiple=8, **more):
    """The network, its padded twin, and images, in float64."""
    torch.manual_seed(0)
    plain = make(**more).double()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    padded = copy.deepcopy(plain)
    padding.pad(padded, multiple, (3, 8, 8))
    return plain, padded, torch.randn(4, 3, 8, 8, dtype=torch.float64)


def shapes(network, images):
    """The channels that leave each convolution."""
    found = []
    hooks = [
        m.register_forward_hook(lambda _, x, y: found.append(y.shape[1]))
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("multiple", [8, 3])
@pytest.mark.parametrize("conv", [None, biased])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_averages_are_the_same(name, conv, multiple):
    plain, padded, images = pair(NETWORKS[name], multiple, conv=conv)
    weights = torch.randn(4, 10, dtype=torch.float64)
    for _ in range(2):  # the second with the running averages of the first
        for network in (plain, padded):
            network.zero_grad()
            (network(images) * weights).sum().backward()
    close = {"rtol": 1e-12, "atol": 1e-12}
    for (key, one), other in zip(plain.named_parameters(), padded.parameters(), strict=True):
        scale = max(1.0, float(one.grad.abs().max()))
        torch.testing.assert_close(one.grad / scale, other.grad / scale, **close, msg=key)
    torch.testing.assert_close(dict(plain.named_buffers()), dict(padded.named_buffers()), **close)
    torch.testing.assert_close(plain(images), padded(images), **close)
    torch.testing.assert_close(plain.eval()(images), padded.eval()(images), **close)
    assert {key: value.shape for key, value in plain.state_dict().items()} == {
        k: v.shape for k, v in padded.state_dict().items()
    }


def test_channels_are_a_multiple_where_they_were_not():
    plain, padded, images = pair(NETWORKS["pyramidnet"])
    before, after = shapes(plain, images), shapes(padded, images)
    assert after == [-(-channels // 8) * 8 for channels in before] and before != after


def test_a_copy_is_padded_too_and_has_weights_of_its_own():
    plain, padded, images = (
        each if isinstance(each, torch.Tensor) else each.eval() for each in pair(NETWORKS["pyramidnet"])
    )
    other = copy.deepcopy(padded)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    assert shapes(other, images) == shapes(padded, images)
    torch.testing.assert_close(plain(images), padded(images))
    assert not torch.allclose(other(images), padded(images))


def test_convolutions_in_groups_are_left_alone():
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    ]  # fmt: skip
    plain = nn.Sequential(*layers).double()
    padded = copy.deepcopy(plain)
    padding.pad(padded, 8, (3, 8, 8))
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert shapes(padded.eval(), images) == [8, 6, 8]
    torch.testing.assert_close(padded(images), plain.eval()(images), rtol=1e-12, atol=1e-12)


class Odd(nn.Module):
    """Its part behind the convolution has an input of its own number of channels, or adds something to the zeros."""

    def __init__(self, behind):
        super().__init__()
        self.conv, self.behind = nn.Conv2d(3, 5, 3), behind

    def forward(self, x):
        return self.behind(self.conv(x))


@pytest.mark.parametrize(
    ("behind", "words"),
    [
        (nn.GroupNorm(5, 5), "a part of the network takes its own channels only"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(5)), "takes its own channels only"),
        (
            nn.Sequential(nn.Softmax(1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)),
            "computes something else",
        ),
    ],
)
def test_a_network_that_would_compute_something_else_is_refused(behind, words):
    network = Odd(behind)
    before = [type(module) for module in network.modules()]
    with pytest.raises(BadInput, match=f"^compute.pad_channels: .*{words}"):
        padding.pad(network, 8, (3, 8, 8))
    assert [type(module) for module in network.modules()] == before


OVERRIDES = ["model=pyramidnet110_a48", "model.depth=8", "model.alpha=10", "model.width=5", "hook=[ema]"]


def test_a_run_counts_its_batches_and_ends_with_the_same_figures(make_run):
    plain, padded = (make_run(*OVERRIDES, "epochs=1", *more) for more in ([], ["compute.pad_channels=8"]))
    rows = [list(train(run, lambda: None))[-1].plain() for run in (plain, padded)]
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-3)
    assert len(padded.counters.norms) == len(plain.counters.norms) > 0
    for one, other in zip(plain.counters.tensors(), padded.counters.tensors(), strict=True):
        assert int(one) == int(other) > 0
    assert plain.state()[0].keys() == padded.state()[0].keys() and plain.cost == padded.cost
    assert isinstance(padded.model.head, padding.PaddedLinear) and padded.compute.plain()["pad_channels"] == 8


def test_it_is_another_run_and_without_it_a_run_is_the_one_that_it_was():
    configs = [compose.compose(["compute=cpu", *more]) for more in ([], ["compute.pad_channels=8"])]
    first, second = map(job.hashed, configs)
    assert "pad_channels" not in first["compute"] and second["compute"]["pad_channels"] == 8
    assert "pad_channels" not in schema.numeric(configs[0])["compute"]
    assert job.config_hash(configs[0]) != job.config_hash(configs[1])
    assert "pad_channels: null" in (ROOT / "configs" / "compute" / "auto.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("capture", ["off", "on"])
def test_a_run_that_is_stopped_goes_on_with_the_same_bits(make_run, capture):
    overrides = [*OVERRIDES, "epochs=2", "compute.pad_channels=8", f"compute.capture={capture}"]
    whole, first, second = (make_run(*overrides) for _ in range(3))
    for run in (whole, first, second):
        run.gradients.least = 1
    list(train(whole, lambda: None))

    def edge():
        if first.clock.updates == whole.clock.updates // 2 + 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(first, edge))
    tensors, plain = first.state()
    second.load({name: tensor.clone() for name, tensor in tensors.items()}, plain)
    list(train(second, lambda: None))
    assert bool(whole.gradients.recordings) == (capture == "on")
    for (name, one), other in zip(whole.state()[0].items(), second.state()[0].values(), strict=True):
        assert torch.equal(one, other), name

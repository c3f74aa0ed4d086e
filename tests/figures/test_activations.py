"""The figure of activations: every layer's figures against plain float64 ones, and the network left as it was."""

import csv

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.conftest import TINY
from tricktable.models.resnet import ResNet
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.activations import activations, measured
from tricktable.runner.training import job
from tricktable.tricks.init.he import he


def rows_of(table):
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


class Net(nn.Module):
    """Layers that do not run in the order in which they stand, with an activation in place, and one frozen."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)
        self.first = nn.Conv2d(2, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 1)
        self.second.weight.requires_grad_(False)

    def forward(self, x):
        y = F.relu_(self.norm(self.first(x)))
        return self.last(F.relu_(self.second(y)).mean((2, 3)))


def test_figures_are_those_of_a_plain_computation():
    torch.manual_seed(0)
    net = Net().double().eval()
    x, labels = torch.randn(6, 2, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    state = {k: v.clone() for k, v in net.state_dict().items()}
    layers = {layer.layer: layer for layer in measured(net, x, labels)}
    assert list(layers) == ["first", "second", "last"]
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert not net.training and all(p.grad is None for p in net.parameters())

    a = F.conv2d(x, net.first.weight)
    y = F.relu(F.batch_norm(a, None, None, net.norm.weight, net.norm.bias, True))  # the batch's own statistics
    b = F.conv2d(y, net.second.weight, net.second.bias)
    z = F.linear(F.relu(b).mean((2, 3)), net.last.weight, net.last.bias)
    loss = -z.log_softmax(1)[range(6), labels].mean()
    gradients = torch.autograd.grad(loss, [a, b, z, net.first.weight, net.last.weight])
    inputs, outputs = (x, y, F.relu(b).mean((2, 3))), (a, b, z)
    for layer, given, out, back in zip(layers.values(), inputs, outputs, gradients, strict=False):
        assert layer.outputs == out.numel()
        assert layer.mean == pytest.approx(out.mean().item())
        assert layer.sd == pytest.approx(out.std(correction=0).item())
        assert layer.zeros == 0
        assert layer.input_zeros == (given == 0).double().mean().item()
        assert layer.output_gradient_sd == pytest.approx(back.std(correction=0).item())
    assert layers["second"].input_zeros > 0.1
    assert layers["first"].weight_gradient_sd == pytest.approx(gradients[3].std(correction=0).item())
    assert layers["last"].weight_gradient_sd == pytest.approx(gradients[4].std(correction=0).item())
    assert layers["second"].weight_gradient_sd is None  # frozen


def test_a_layer_of_zeros_puts_out_zeros():
    net = Net()
    nn.init.zeros_(net.second.weight)
    nn.init.zeros_(net.second.bias)
    layer = measured(net, torch.randn(4, 2, 5, 5), torch.tensor([0, 1, 2, 0]))[1]
    assert (layer.zeros, layer.sd) == (1, 0)


def test_the_table_is_of_the_trained_network_on_training_images(finished):
    *pictures, table = figure.make("activations", [str(finished)], ["batch=60"])  # all of them: any order
    assert [path.name for path in pictures] == ["activations-1.png", "activations-2.png"]
    rows = rows_of(table)
    run = reevaluate.rebuilt(runs.at(finished), reevaluate.read([]))
    x = run.prepare(run.splits.train.images)
    model = run.evaluated.double().train()
    stem = model.stem[0](x.double())
    assert rows[0]["layer"] == "stem.0" and rows[-1]["layer"] == "head" and rows[0]["at"] == "end"
    assert float(rows[0]["mean"]) == pytest.approx(stem.mean().item(), rel=1e-3, abs=1e-6)
    assert float(rows[0]["sd"]) == pytest.approx(stem.std(correction=0).item(), rel=1e-4)
    logits = model(x.double())
    assert float(rows[-1]["sd"]) == pytest.approx(logits.std(correction=0).item(), rel=1e-3)
    F.cross_entropy(logits, run.splits.train.labels).backward()
    for row in (rows[0], rows[-1]):
        weight = model.get_submodule(row["layer"]).weight
        assert float(row["weight_gradient_sd"]) == pytest.approx(weight.grad.std(correction=0).item(), rel=1e-2)


@pytest.mark.parametrize("init", ["init=[lsuv]", "init=[he]", "groups=norm_decay"])
def test_the_start_is_the_network_before_the_first_step(tmp_path, make_run, init):
    """Bit for bit: made from the seed, with what an init does by the training images."""
    root = tmp_path / "outputs"
    job.execute(compose([*TINY, f"output.root={root}", "seed=3", "augment=[crop]", init]))
    (stored,) = runs.under(root)
    begun = make_run("seed=3", "augment=[crop]", init).model.state_dict()
    made = reevaluate.initial(stored, reevaluate.read([])).evaluated.state_dict()
    assert begun.keys() == made.keys() and all(torch.equal(v, made[k]) for k, v in begun.items())
    trained = reevaluate.rebuilt(stored, reevaluate.read([])).evaluated.state_dict()
    assert any(not torch.equal(v, made[k]) for k, v in trained.items())


def test_start_and_end_differ_and_each_is_the_same_again(finished, twin):
    typed = ["batch=20"]
    texts = [str(finished), str(twin)]
    end, start, again = (
        figure.make("activations", texts, [*typed, f"at={at}"])[-1].read_bytes() for at in ("end", "start", "end")
    )
    assert end == again and end != start
    rows = list(csv.DictReader(start.decode().splitlines()))
    assert {row["run"] for row in rows} == {finished.name, twin.name} and {row["at"] for row in rows} == {"start"}


def test_dropout_is_drawn_by_the_runs_seed(finished, make_run, monkeypatch):
    def drawn(*overrides):
        run = make_run("model=mlp", "model.dropout=0.5", *overrides)
        monkeypatch.setattr(reevaluate, "rebuilt", lambda *_: run)
        return [activations([runs.at(finished)], reevaluate.read([]), batch=10).records for _ in range(2)]

    first, second = drawn()
    assert first == second
    assert any(row["input_zeros"] > 0.6 for row in first)  # ReLU leaves a half, of which dropout takes a half


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("batch=61", "batch: expected 2 to 60, the training images, got 61"),
        ("batch=1", "batch: expected 2 to 60, the training images, got 1"),
        ("at=middle", "at: expected end or start, got 'middle'"),
        ("data=digits", "data: activations are of the run's own training images"),
        (
            "inference=[flip]",
            "inference: activations does not use it; of evaluate's keys it takes only data, compute, output",
        ),
    ],
)
def test_bad_input_is_one_line(finished, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("activations", [str(finished)], [typed])
    assert str(raised.value) == line


def test_a_long_id_keeps_its_end():
    name = f"resnet20-{'x' * 40}-s0-8fb6d822"
    assert figure.shown(name, 32) == "resnet20-xxxx…xxxxxx-s0-8fb6d822" and len(figure.shown(name, 32)) == 32
    assert figure.shown("resnet8-s0-8fb6d822") == "resnet8-s0-8fb6d822"


def by_depth(norm):
    """Of a network's convolutions at initialisation, in forward order: the mean size of a channel's mean, and the sd."""
    torch.manual_seed(0)
    model, means, sds = ResNet(10, depth=56, norm=norm), [], []
    he(model)

    def watch(module, inputs, output):
        means.append(output.detach().mean((0, 2, 3)).abs().mean().item())
        sds.append(output.detach().std().item())

    for block in model.blocks:
        first = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
        first.register_forward_hook(watch)
    model.train()
    with torch.no_grad():
        model(torch.randn(16, 3, 16, 16))
    return means, sds


def test_channel_means_and_norms_grow_with_depth_without_normalisation_and_stay_with_it():
    """Bjorck et al. 2018: the first convolution of each block, over 27 blocks."""
    for values in by_depth(lambda channels: nn.Identity()):
        first, second, third = (sum(values[i : i + 9]) for i in (0, 9, 18))  # its stages
        assert values[-1] > 1000 * values[0] and third > 5 * second > 25 * first
    for values in by_depth(nn.BatchNorm2d):
        assert max(values) < 10 * min(values)

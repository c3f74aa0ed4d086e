"""The loss landscape: its directions by the paper's definition, and its figures against a computation of their own."""

import csv

import pytest
import torch
from torch.nn import functional as F

from tricktable.runner import data, randomness
from tricktable.runner.config.compose import compose
from tricktable.runner.data.split import split
from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.figures import figure
from tricktable.runner.figures.landscape import directions, moved
from tricktable.runner.training import build
from tricktable.runner.training.run import evaluated_weights


@pytest.fixture
def model():
    return build.build_model(compose(["model=resnet8"]), 1, 10)


def test_each_filter_of_a_direction_has_the_norm_of_the_networks(model):
    drawn = directions(model, 0, 1)
    assert set(drawn) == {name for name, w in model.named_parameters() if w.ndim > 1}, "vectors do not move"
    for name, d in drawn.items():
        w, noise = (
            model.get_parameter(name),
            torch.randn(d.shape, generator=randomness.generator(0, "landscape", 1, name)),
        )
        for mine, theirs, raw in zip(d.double(), w.detach().double(), noise.double(), strict=True):
            expected = raw / (raw**2).sum().sqrt() * (theirs**2).sum().sqrt()
            assert torch.allclose(mine, expected, rtol=1e-4, atol=1e-6)
    (name, *_), second, other = drawn, directions(model, 0, 2), directions(model, 1, 1)
    assert not torch.equal(drawn[name], second[name]) and not torch.equal(drawn[name], other[name])
    assert torch.equal(drawn[name], directions(model, 0, 1)[name])


def test_the_weights_come_back_to_the_bit_even_after_an_error(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = directions(model, 0, 1), directions(model, 0, 2)
    with pytest.raises(RuntimeError), moved(model, (0.3, first), (-0.7, second)):
        for name in first:
            expected = before[name] + 0.3 * first[name] - 0.7 * second[name]
            assert torch.allclose(model.get_parameter(name), expected, atol=1e-6)
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_its_figures_are_those_of_the_moved_checkpoint(finished):
    typed = ["points=3", "span=0.5", "images=40", "seed=2"]
    *pictures, table = figure.make("landscape", [str(finished)], typed)
    assert [path.name for path in pictures] == ["landscape-1.png", "landscape-2.png"]
    found = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [(float(row["b"]), float(row["a"])) for row in found] == [
        (b, a) for b in (-0.5, 0, 0.5) for a in (-0.5, 0, 0.5)
    ]
    stored = runs.at(finished)
    own = split(data.load(stored.settings.data), stored.settings.data)
    order = torch.randperm(own.train.n, generator=randomness.generator(2, "landscape", "images"))[:40]
    images = (own.train.images[order].double() - own.mean.view(-1, 1, 1)) / own.std.view(-1, 1, 1)
    labels = own.train.labels[order]
    model = build.build_model(stored.settings, 1, 10)
    weights = evaluated_weights(stored.checkpoint().tensors)
    for row in (found[0], found[4], found[7]):
        model.float().load_state_dict(weights)
        steps = [(float(row[name]), directions(model, 2, axis)) for axis, name in ((1, "a"), (2, "b"))]
        with torch.no_grad():
            for length, direction in steps:
                for name, d in direction.items():
                    model.get_parameter(name).add_(length * d)
            logits = model.eval().double()(images)
        assert float(row["loss"]) == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-4)
        assert float(row["error"]) == pytest.approx(100 * (logits.argmax(1) != labels).double().mean().item())


def test_the_middle_of_the_test_images_is_the_runs_own_figure_and_nothing_else_is_written(finished):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    *_, table = figure.make("landscape", [str(finished)], ["points=3", "images=100000", "split=test"])
    found = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    summary = runs.at(finished).summary
    assert float(found[4]["loss"]) == pytest.approx(summary.figure("test_loss"), rel=1e-5)
    assert float(found[4]["error"]) == pytest.approx(summary.figure("test_error"))
    first = table.read_bytes()
    figure.make("landscape", [str(finished)], ["points=3", "images=100000", "split=test"])
    assert table.read_bytes() == first
    after = {
        path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and path.parent.name != "figures"
    }
    assert {path: value for path, value in after.items() if path.name != ".lock"} == {
        path: value for path, value in before.items() if path.name != ".lock"
    }


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["points=4"], "points: expected an odd number of 3 or more (the middle is the network), got 4"),
        (["images=0"], "images: expected at least 1, got 0"),
        (["span=-1"], "span: expected a number above 0, got -1"),
        (["split=val"], "split: expected train or test, got 'val'"),
        (["data=synthetic"], "data: other images are test images; add split=test"),
        (["inference=[flip]"], "inference: landscape does not use it; of evaluate's keys it takes only data, compute, output"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(finished, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("landscape", [str(finished)], typed)
    assert str(raised.value) == line

"""The figure of a network's weights: what it counts is what the checkpoint holds."""

import csv

import pytest
import torch

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.figures import figure
from tricktable.runner.training import build
from tricktable.runner.training.run import evaluated_weights


def test_it_counts_the_weights_of_the_last_checkpoint(finished):
    *pictures, table = figure.make("weights", [str(finished)], ["near=0.05"])
    assert [path.name for path in pictures] == ["weights-1.png", "weights-2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.parent == finished / "figures" for path in pictures)
    rows = {row["parameter"]: row for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())}
    tensors = evaluated_weights(runs.at(finished).checkpoint().tensors)
    model = build.build_model(runs.at(finished).settings, 1, 10)
    assert list(rows) == [name for name, w in model.named_parameters() if w.ndim > 1]  # in the network's order
    for name, row in rows.items():
        w = tensors[name].double()
        assert int(row["weights"]) == w.numel()
        assert float(row["sd"]) == pytest.approx(((w - w.mean()) ** 2).mean().sqrt().item(), rel=1e-5)
        assert float(row["zero_share"]) == pytest.approx((w.abs() <= 0.05).double().mean().item())
        assert torch.isclose(w.min(), torch.tensor(float(row["least"])).double())


@pytest.mark.parametrize(
    ("name", "typed", "line"),
    [
        ("weight", [], "no figure is called weight; did you mean weights?"),
        ("weights", ["nar=1"], "nar: expected an argument of weights or of evaluate: near, inference, data, compute, output"),
        ("weights", ["near=a"], "near: expected a number, got 'a'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(finished, name, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make(name, [str(finished)], typed)
    assert str(raised.value) == line


def test_every_figure_is_listed_by_a_line():
    listed = dict(figure.listing())
    assert "weights" in listed
    assert all(10 < len(line) < 120 for line in listed.values())

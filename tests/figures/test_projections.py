"""The figure of projections: penultimate activations in the plane through three templates, as section 2 defines it."""

import csv

import pytest
import torch

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.projections import plane


def rows_of(table):
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def points(rows, split, label):
    found = [(float(r["x"]), float(r["y"])) for r in rows if r["split"] == split and int(r["label"]) == label]
    return torch.tensor(found, dtype=torch.float64)


def test_the_plane_holds_the_templates_and_its_basis_is_orthonormal():
    w = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    origin, basis = plane(w)
    assert torch.allclose(basis @ basis.T, torch.eye(2, dtype=torch.float64))
    assert torch.allclose(origin + (w - origin) @ basis.T @ basis, w)  # nothing of them lies outside
    across, along = ((w[1] - w[0]) @ basis.T).tolist()[::-1]
    assert across == pytest.approx(0, abs=1e-12) and along > 0


def test_templates_on_a_line_have_no_plane():
    w = torch.tensor([[0.0, 0, 1], [1, 0, 1], [3, 0, 1]], dtype=torch.float64)
    for templates in (w, w[[0, 0, 1]], w[[0, 1, 1]]):
        with pytest.raises(BadInput, match=r"^classes: the templates of these three lie on one line"):
            plane(templates)


def test_coordinates_are_the_projected_activations(finished):
    *pictures, table = figure.make("projections", [str(finished)], ["classes=[7,1,4]"])
    assert [path.name for path in pictures] == ["projections.png"]
    rows = rows_of(table)
    run = reevaluate.rebuilt(runs.at(finished), reevaluate.read([]))
    w = run.evaluated.state_dict()["head.weight"].double()[[7, 1, 4]]
    u = (w[1] - w[0]) / (w[1] - w[0]).norm()
    v = (w[2] - w[0]) - ((w[2] - w[0]) @ u) * u
    v = v / v.norm()
    for name, split in (("train", run.splits.train), ("test", run.splits.test)):
        for label in (7, 1, 4):
            images = split.images[split.labels == label]
            with torch.no_grad():
                x = run.evaluated.eval().blocks(run.evaluated.stem(run.prepare(images))).double().mean((2, 3)) - w.mean(
                    0
                )
            assert torch.allclose(points(rows, name, label), torch.stack((x @ u, x @ v), 1), atol=1e-4)
    centred = w - w.mean(0)
    for label, template in zip((7, 1, 4), centred, strict=True):
        assert torch.allclose(points(rows, "template", label)[0], torch.stack((template @ u, template @ v)))


def test_examples_are_at_most_so_many_and_the_same_again(finished):
    tables = [figure.make("projections", [str(finished)], ["examples=3"])[-1].read_bytes() for _ in range(2)]
    assert tables[0] == tables[1]
    rows = list(csv.DictReader(tables[0].decode().splitlines()))
    assert [sum(r["split"] == s and r["label"] == c for r in rows) for s in ("train", "test") for c in "012"] == [3] * 6


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("classes=[0,1,10]", "classes: expected three of 0 to 9, got [0, 1, 10]"),
        ("classes=[0,1,1]", "classes: expected three of 0 to 9, got [0, 1, 1]"),
        ("examples=0", "examples: expected 1 or more, got 0"),
        (
            "inference=[flip]",
            "inference: projections does not use it; of evaluate's keys it takes only data, compute, output",
        ),
    ],
)
def test_bad_input_is_one_line(finished, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("projections", [str(finished)], [typed])
    assert str(raised.value) == line


def test_a_network_without_templates_is_refused(finished, make_run, monkeypatch):
    run = make_run("head=fixed_hadamard")
    monkeypatch.setattr(reevaluate, "rebuilt", lambda *_: run)
    with pytest.raises(BadInput, match=r"^projections: the network does not end with a linear layer"):
        figure.make("projections", [str(finished)], [])

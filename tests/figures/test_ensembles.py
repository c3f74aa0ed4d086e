"""The figure of ensembles: softmax outputs averaged over the last m models, and each model alone."""

import csv

import pytest
import torch

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.ensembles import ensembles, joined


def rows_of(table):
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def test_members_are_averaged_as_the_paper_says():
    rng = torch.Generator().manual_seed(0)
    models = [torch.randn(50, 3, generator=rng, dtype=torch.float64).softmax(1) for _ in range(4)]
    labels = torch.randint(3, (50,), generator=rng)
    members = joined(list("abcd"), models, labels)
    for m, member in enumerate(members, 1):
        mean = torch.stack(models[:m]).mean(0)
        wrong = [
            row.tolist().index(max(row.tolist())) != label for row, label in zip(mean, labels.tolist(), strict=True)
        ]
        assert member.models == m and member.model == "abcd"[m - 1]
        assert member.ensemble_error == pytest.approx(100 * sum(wrong) / 50)
        assert member.ensemble_loss == pytest.approx(-mean[torch.arange(50), labels].log().mean().item())
        assert member.alone_error == pytest.approx(100 * (models[m - 1].argmax(1) != labels).double().mean().item())
    assert len({member.ensemble_error for member in members}) > 1


def test_snapshots_join_from_the_newest_and_end_at_the_runs_own_figure(twin):
    *pictures, table = figure.make("ensembles", [str(twin)], [])
    assert [path.name for path in pictures] == ["ensembles.png"]
    rows = rows_of(table)
    assert [row["model"] for row in rows] == ["snapshots 3 of 3", "snapshots 2 of 3", "snapshots 1 of 3"]
    own = {(r.variant, r.inference): r for r in runs.at(twin).summary.results}
    whole, last = own["snapshots", "ensemble"], own["final", "plain"]
    assert float(rows[-1]["ensemble_error"]) == pytest.approx(whole.test_error)
    assert float(rows[-1]["ensemble_loss"]) == pytest.approx(whole.test_loss, rel=1e-5)
    assert float(rows[0]["alone_error"]) == pytest.approx(last.test_error)
    assert rows[0]["alone_loss"] == rows[0]["ensemble_loss"]
    assert float(rows[0]["alone_loss"]) == pytest.approx(last.test_loss, rel=1e-5)
    alone = [float(row["alone_loss"]) for row in rows]
    assert len(set(alone)) == 3


def test_several_runs_join_in_the_order_given(finished, twin):
    _, table = figure.make("ensembles", [str(twin), str(finished)], [])
    rows = rows_of(table)
    assert [row["model"] for row in rows] == [twin.name, finished.name]
    found = []
    for folder in (twin, finished):
        run = reevaluate.rebuilt(runs.at(folder), reevaluate.read([]))
        with torch.no_grad():
            found.append(run.evaluated.eval()(run.prepare(run.splits.test.images)).double().softmax(1))
    labels = run.splits.test.labels
    for row, p in zip(rows, (found[0], sum(found) / 2), strict=True):
        assert float(row["ensemble_error"]) == pytest.approx(100 * (p.argmax(1) != labels).double().mean().item())
        assert float(row["ensemble_loss"]) == pytest.approx(-p[range(len(p)), labels].log().mean().item(), rel=1e-5)


def test_bad_input_is_one_line(finished, twin):
    with pytest.raises(BadInput, match=r"resnet8\S+ has no variant of several models; take several runs, or one with"):
        figure.make("ensembles", [str(finished)], [])
    with pytest.raises(BadInput, match=r"^inference: ensembles does not use it"):
        figure.make("ensembles", [str(twin)], ["inference=[flip]"])


def test_runs_with_other_test_images_are_no_ensemble(finished, twin, monkeypatch):
    made = reevaluate.rebuilt

    def rebuilt(stored, request):
        run = made(stored, request)
        if stored.folder == twin:
            run.splits.test.labels[0] += 1
        return run

    monkeypatch.setattr(reevaluate, "rebuilt", rebuilt)
    with pytest.raises(BadInput, match=r"has other test images \(.*\) than resnet8"):
        ensembles([runs.at(finished), runs.at(twin)], reevaluate.read([]))

"""A table made by hand, with labels that would act if they were not escaped, rows that lack runs, and diverged runs."""

import csv
import json
import math
from dataclasses import replace

import pytest
import yaml

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.papers import facts, recipe
from tricktable.runner.papers.measured import Change, Judged, MeasuredRow, MeasuredTable, Measurement

HOSTILE = (
    "<script>document.title='ran'</script>",
    "a | b & c_d % $x^2$ #1 {y} ~ \\input{z} \"q\" 'r'",
    "=1+1 <img src=x onerror=alert(1)> \u202eevil\u200b\nline",
    "plain_row",
)
CAPTION = "synthetic & <b>bold</b>, fingerprint 0123456789ab, 3 epochs, seeds 0 1 2, a processor_1 at 100%"
COMMAND = "tricktable table a/b --budget smoke <x> & 'y'"


def summary(seed, error, diverged=None):
    results = (
        [] if error is None else [{"variant": "final", "inference": "plain", "test_error": error, "test_loss": 0.1}]
    )
    return {
        **(results[0] if results else {}), "results": results, "diverged_at": diverged, "seed": seed, "epochs": 3, "updates": 30,
        "samples": 300, "params": 1000, "madds": 5000, "study": "s", "id": f"run-s{seed}",
        "data": {"title": "synthetic", "fingerprint": "sha256:0123456789ab", "train": 100, "test": 10, "dataset": "cifar10", "complete": True},
        "weights_sha256": "0" * 64, "compute": {"precision": "fp32", "threads": 1},
        "environment": {"gpu": None, "cpu": "a processor", "torch": "2", "commit": "abc"},
    }  # fmt: skip


def write_metrics(folder, error, lr):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", "updates", "lr", "batch_size", "noise_scale", "test_error"])
        for epoch in (1, 2, 3):
            writer.writerow([epoch, 10 * epoch, lr / epoch, 16 * epoch, lr * 100 / epoch, error + 90 / epoch**3])


def fact(label, value, **more):
    given = {
        "label": label, "model": "ResNet-20", "dataset": "cifar10", "changes": {}, "value": value, "spread": None,
        "spread_kind": None, "n": None, "params": 1000, "madds": None, "updates": 40, "confidence": "verified",
        "secondary": False, "extra": {}, **more,
    }  # fmt: skip
    return facts.PaperRow(**given)


def claim(number, left, right, **more):
    given = {
        "id": f"c{number}", "statement": f"{left} beats {right}", "kind": "less_than", "table": "t", "left": (left,),
        "right": (right,), "field": "value", "margin": 0.0, "tolerance": 0.0, "expected": 1.0, "confidence": "verified",
        "note": None, **more,
    }  # fmt: skip
    return facts.Claim(**given)


def stored(folder, state):
    """A run of which what is needed lies in its folder."""
    return StoredRun(folder, RunInfo(identity=Identity("0" * 64, "sha256:0123456789ab", {}), state=state))


def make(folder):
    """Four rows of three declared seeds: finished; one diverged, one missing; not runnable; not run."""
    theirs = [
        fact(HOSTILE[0], 5.25, spread=0.1, spread_kind="sd", n=5),
        fact(HOSTILE[1], 6.0, confidence="memory", secondary=True, updates_relation="approx"),
        fact(HOSTILE[2], 7.0),
        fact(HOSTILE[3], None),
    ]
    errors = [(5.0, 5.5, 6.125), (7.0, None), (), ()]
    rows = []
    for i, (row, found) in enumerate(zip(theirs, errors, strict=True)):
        runs = []
        for seed, error in enumerate(found):
            where = folder / "study" / f"row{i}-s{seed}"
            write_metrics(where, 1.0 if error is None else error, 0.1 * (i + 1))
            (where / "summary.json").write_text(json.dumps(summary(seed, error, None if error else 7)))
            runs.append(Measurement(stored(where, "diverged" if error is None else "complete"), seed, error, error))
        reason = f"no data source: {HOSTILE[0]}" if i == 2 else None
        counted = {"params": 1000, "madds": 5000, "updates": 30} if i < 2 else {}
        rows.append(
            MeasuredRow(
                label=row.label,
                seeds=(0, 1, 2),
                runs=tuple(runs),
                theirs=row,
                overrides=Overrides(["model=resnet20", f"optimizer.lr={0.1 * (i + 1):g}"]),
                changes=(Change("epochs", "3", "182"),) if reason is None else (),
                reason=reason,
                **counted,
            )
        )
    judged = (
        Judged(claim(0, HOSTILE[0], HOSTILE[1]), "reproduced", f"because {HOSTILE[0]}", 0.75, 1.4583, 0.5, 0.0001, 0.0002, 1.94),
        Judged(claim(1, HOSTILE[0], HOSTILE[3]), "undecided", "too few seeds", None, None, math.nan, None, None, None, 12),
        Judged(claim(2, HOSTILE[1], HOSTILE[2], field="updates"), "not runnable here", "a row cannot be run"),
    )  # fmt: skip
    metric = facts.Metric("top1_error", "percent", "lower", "test")
    caption = f"A table & its {HOSTILE[0]}"
    table = facts.Table("t", caption, metric, "last", {row.label: row for row in theirs})
    about = facts.About(f"Title {HOSTILE[0]}", authors=("A. <i>B</i>",), year=2020, venue="V & W", arxiv="2001.00001")
    paper = facts.Paper(
        schema=2, id="p", about=about, setup={}, tables={"t": table}, claims={}, statics={}, notes=(), sources=()
    )
    return MeasuredTable(
        name="p/t",
        title=about.title,
        caption=caption,
        metric=metric,
        budget="smoke",
        rows=tuple(rows),
        claims=judged,
        provenance=CAPTION,
        command=COMMAND,
        warnings=(f"careful: {HOSTILE[1]}",),
        paper=paper,
        recipe=made(paper, table),
    )


def made(paper, table):
    """Its recipe: what differs always, at this budget alone, and in one row; and what is assumed."""
    border = recipe.Deviation("a border of 4 pixels", "we <b>crop</b>", "unknown", "augmentation", (HOSTILE[0],))
    budgets = {name: recipe.Budget() for name in recipe.BUDGETS}
    budgets["smoke"] = recipe.Budget(differs=(recipe.Deviation("fewer images.", "time"),))
    assumed = (recipe.Assumption("the paper does not state the batch size: 128"),)
    return recipe.Recipe(name="p/t", paper=paper, table=table, n=3, budgets=budgets, differs=(border,), assumed=assumed)


def make_apart(folder):
    """The same table, of which another network ran on other data than the paper's."""
    table = make(folder)
    for path in folder.glob("*/*/summary.json"):
        path.write_text(path.read_text().replace('"dataset": "cifar10"', '"dataset": "digits"'))
    changes = (
        Change("data", "digits", "cifar10"),
        Change("model", "resnet8", "resnet20"),
        Change("epochs", "3", "182"),
    )
    typed = Overrides(["data=digits", "model=resnet8", "epochs=3"])
    rows = tuple(row if row.reason else replace(row, changes=changes, overrides=typed) for row in table.rows)
    return replace(table, rows=rows)


def make_study(folder):
    """The same runs as a study: rows that differ from each other, and from nothing of a paper's."""
    table = make(folder)
    rows = tuple(replace(row, theirs=None, reason=None, seeds=(0, 1, 2)[: len(row.runs)]) for row in table.rows[:2])
    return replace(
        table,
        name="s",
        title="Study s",
        caption="Test error by optimizer.lr",
        rows=rows,
        claims=(),
        warnings=(),
        paper=None,
        recipe=None,
    )


@pytest.fixture
def measured(tmp_path):
    return make(tmp_path / "outputs")


def write_run(folder, seed, error, overrides=(), state="complete", fingerprint="sha256:0123456789ab"):
    """A run's folder as the runner leaves it."""
    config = compose(["model=resnet8", f"seed={seed}", *overrides])
    folder.mkdir(parents=True)
    folder.joinpath("config.yaml").write_text(yaml.safe_dump(schema.plain(config), sort_keys=False))
    info = {
        "state": state,
        "reason": None,
        "config_hash": f"{seed:064x}",
        "fingerprint": fingerprint,
        "code": {"models/resnet.py": "0"},
    }
    folder.joinpath("run.json").write_text(json.dumps(info))
    told = summary(seed, error)
    told["data"]["fingerprint"] = fingerprint
    folder.joinpath("summary.json").write_text(json.dumps(told))

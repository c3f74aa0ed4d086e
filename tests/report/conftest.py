"""A table made by hand, with labels that would act if they were not escaped, rows that lack runs, and diverged runs."""

import csv
import dataclasses
import json
import math

import pytest
import yaml

from runner.config import schema
from runner.config.compose import compose
from runner.papers import facts, intervals
from runner.papers.measured import Judged, Measured, MeasuredRow, Seen
from runner.papers.recipe import Recipe

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
        "data": {"title": "synthetic", "fingerprint": "sha256:0123456789ab", "train": 100, "test": 10},
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
            state = "complete" if error is not None else "diverged"
            runs.append(Seen(seed, where, state, error, error, summary(seed, error, None if error else 7)))
        figures = [error for error in found if error is not None]
        mean = sum(figures) / len(figures) if figures else None
        half = intervals.half_width(figures) if figures else None
        reason = f"no data source: {HOSTILE[0]}" if i == 2 else None
        counted = {"params": 1000, "madds": 5000, "updates": 30} if i < 2 else {}
        rows.append(MeasuredRow(row, ("model=resnet20",), reason, (0, 1, 2), tuple(runs), mean, half, **counted))
    judged = (
        Judged(claim(0, HOSTILE[0], HOSTILE[1]), "reproduced", f"because {HOSTILE[0]}", 0.75, 1.4583, 0.5, 0.0001, 0.0002, 1.94),
        Judged(claim(1, HOSTILE[0], HOSTILE[3]), "undecided", "too few seeds", None, None, math.nan, None, None, None, 12),
        Judged(claim(2, HOSTILE[1], HOSTILE[2], field="updates"), "not runnable here", "a row cannot be run"),
    )  # fmt: skip
    metric = facts.Metric("top1_error", "percent", "lower", "test")
    table = facts.Table("t", f"A table & its {HOSTILE[0]}", metric, "last", {row.label: row for row in theirs})
    about = facts.About(f"Title {HOSTILE[0]}", ("A. <i>B</i>",), 2020, "V & W", "2001.00001")
    paper = dataclasses.replace(facts.unpublished("p", ""), about=about, tables={"t": table})
    recipe = Recipe(name="p/t", paper=paper, table=table, n=3, budgets={})
    return Measured(recipe, "smoke", tuple(rows), judged, CAPTION, COMMAND, (f"careful: {HOSTILE[1]}",))


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

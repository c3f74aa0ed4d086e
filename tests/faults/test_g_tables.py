"""Rows G: tables that are read while they are written, and writers that are killed in a row."""

import random
import signal
import time

import pytest

from tests.faults.forked import run_of, tiny
from tests.faults.trials import several
from tricktable.runner.disk import record, runs
from tricktable.runner.papers import studies


@pytest.mark.parametrize("seconds", [pytest.param(2, id="short"), pytest.param(60, marks=pytest.mark.faults)])
def test_g1_a_report_is_made_while_runs_train(zygote, tmp_path, held, seconds):
    """Every table parses, none has fewer runs or rows than the one before, and the last has all."""
    overrides, end = tiny("epochs=4", "study=s"), time.monotonic() + seconds
    begun, children, looked, finished = 0, [], 0, 0
    rows = {}
    while time.monotonic() < end or any(not child.over() for child in children):
        if time.monotonic() < end and sum(not child.over() for child in children) < 2:
            children.append(zygote.train(tmp_path, [*overrides, f"seed={begun}"]))
            begun += 1
        found = runs.under(tmp_path / "outputs")
        table = studies.tabulate("s", found)
        seeds = table.rows[0].seeds if table else ()
        assert len(seeds) >= finished and not found.unusable
        for run in found:
            now = len(record.read(run.files.metrics))
            assert now >= rows.get(run.id, 0)
            rows[run.id] = now
        looked, finished = looked + 1, len(seeds)
    assert [child.wait() for child in children] == [0] * begun
    table = studies.tabulate("s", runs.under(tmp_path / "outputs"))
    assert table.rows[0].seeds == tuple(range(begun))
    held(looked, looked, f"tables of up to {begun} runs, made while they trained")


@pytest.mark.parametrize("trials", several(10, 300))
def test_g2_a_writer_is_killed_within_a_row(zygote, tmp_path, held, trials):
    good, torn = 0, 0
    for seed in trials:
        path = tmp_path / f"{seed}.csv"
        child = zygote.command(tmp_path, inject=[("rows_forever", {"path": str(path)})])
        while not path.exists():
            time.sleep(0.001)
        time.sleep(random.Random(seed).uniform(0, 0.02))
        child.send(signal.SIGKILL)
        child.wait()
        torn += not path.read_bytes().endswith(b"\n")
        rows = record.read(path)
        again = record.Metrics(path)
        again.append({"i": len(rows), "text": "", "twice": 2 * len(rows)})
        good += [(row["i"], row["twice"]) for row in record.read(path)] == [(i, 2 * i) for i in range(len(rows) + 1)]
        path.unlink()
    held(len(trials), good, f"{torn} left an unfinished row")


@pytest.mark.parametrize("number", [pytest.param(3, id="short"), pytest.param(10, marks=pytest.mark.faults)])
def test_g3_several_processes_evaluate_one_run(zygote, tmp_path, held, number):
    """Its evaluations.csv is the one table that several processes append to."""
    zygote.whole(tmp_path, tiny())
    run, images = run_of(tmp_path), "data=synthetic data.size=8 data.channels=1 data.n_test=20 data.n_train=20"
    typed = [*images.split(), "output.root=outputs", "compute=cpu"]
    children = [zygote.command(tmp_path, "evaluate", run, *typed, f"data.seed={i}") for i in range(number)]
    codes = [child.wait() for child in children]
    assert set(codes) <= {0, 8}, children[0].said
    rows = record.read(run / "evaluations.csv")
    assert runs.at(run).damage == ""
    held(number, number if len(rows) == codes.count(0) else len(rows), f"processes, {codes.count(8)} told to wait")

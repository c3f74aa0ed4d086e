"""All runs under an output root as one table: complete, exact, and fast enough for ten thousand of them."""

import importlib.util
import json
import shutil
import time

import pytest
import yaml

from tests.report.conftest import write_run
from tricktable.runner import report
from tricktable.runner.disk import meant, record, runs
from tricktable.runner.errors import BadInput


def collect(root):
    return report.collect(runs.under(root))


def test_a_record_has_the_figures_and_the_keys_of_its_run(tmp_path):
    write_run(tmp_path / "a" / "one", 3, 5.125, ["optimizer.lr=0.05", "augment=[crop,flip]"])
    (row,) = collect(tmp_path)
    assert (row["study"], row["run"], row["state"], row["seed"], row["test_error"]) == (
        "a",
        "one",
        "complete",
        3,
        5.125,
    )
    assert row["final.plain.test_error"] == 5.125 and row["fingerprint"] == "sha256:0123456789ab"
    assert row["config.optimizer"] == "sgd" and row["config.optimizer.lr"] == 0.05
    assert row["config.augment"] == ["crop", "flip"] and row["config.augment.crop"] == "crop"


def test_runs_without_figures_and_damaged_ones_are_records_too(tmp_path):
    write_run(tmp_path / "a" / "running", 0, None, state="running")
    (tmp_path / "a" / "running" / "summary.json").unlink()
    for name, file, data in (
        ("no-info", "run.json", "{"),
        ("no-figures", "summary.json", "[]"),
        ("no-config", "config.yaml", "- 1"),
        ("bomb", "config.yaml", "a: &a [1]\nb: *a"),
    ):
        write_run(tmp_path / "a" / name, 1, 2.0)
        (tmp_path / "a" / name / file).write_text(data)
    write_run(tmp_path / "a" / "lost", 1, 2.0)
    (tmp_path / "a" / "lost" / "summary.json").unlink()
    rows = {row["run"]: row for row in collect(tmp_path)}
    assert rows["running"]["state"] == "running" and "test_error" not in rows["running"]
    assert {rows[name]["state"] for name in ("no-info", "no-figures", "no-config", "bomb", "lost")} == {"damaged"}
    assert "alias" in rows["bomb"]["reason"] and "summary.json" in rows["lost"]["reason"]


def test_links_and_what_is_no_run_are_passed_over(tmp_path):
    write_run(tmp_path / "a" / "one", 0, 1.0)
    (tmp_path / "a" / "table.md").write_text("a table")
    (tmp_path / "a" / "empty").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "one")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [row["run"] for row in collect(tmp_path)] == ["one"]
    assert collect(tmp_path / "nowhere") == []


def test_configs_are_read_as_the_plainest_reader_would(tmp_path):
    write_run(tmp_path / "a" / "one", 0, 1.0, ["noise=hybrid", "epochs=200", "augment=[crop,mixup]", "study='a *b'"])
    path = tmp_path / "a" / "one" / "config.yaml"
    assert record.read_config(path) == yaml.safe_load(path.read_text())


def test_the_table_that_is_written_comes_back_from_pandas(tmp_path):
    import pandas

    for seed in range(3):
        write_run(tmp_path / "o" / "a" / f"s{seed}", seed, 1 / (seed + 3), ["augment=[crop]"] if seed else [])
    written = report.write_collected(runs.under(tmp_path / "o"), tmp_path / "out")
    frame = pandas.read_csv(written[0])
    assert list(frame["test_error"]) == [1 / 3, 1 / 4, 1 / 5] and list(frame["seed"]) == [0, 1, 2]
    assert frame["config.augment"][1] == "[crop]"


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow")
def test_parquet_has_the_same_records(tmp_path):
    import pandas

    write_run(tmp_path / "o" / "a" / "one", 0, 1.5)
    write_run(tmp_path / "o" / "a" / "two", 1, 2.5, ["augment=[crop]", "schedule.lr=cosine", "noise=hybrid"])
    write_run(tmp_path / "o" / "a" / "three", 2, None, state="running")
    frame = pandas.read_parquet(report.write_collected(runs.under(tmp_path / "o"), tmp_path / "out")[1])
    assert sorted(frame["test_error"].dropna()) == [1.5, 2.5]
    assert set(frame["config.augment"]) == {"[]", "[crop]"}


def test_ten_thousand_runs_would_take_seconds(tmp_path):
    """In proportion to reading the same files as JSON alone, and at most 2 ms per run here (10,000: 20 s)."""
    write_run(tmp_path / "a" / "r0", 0, 5.0, ["augment=[crop,flip,mixup]"])
    for i in range(1, 300):
        shutil.copytree(tmp_path / "a" / "r0", tmp_path / "a" / f"r{i}")
    least = []
    for _ in range(3):
        started = time.process_time()
        assert len(collect(tmp_path)) == 300
        least.append(time.process_time() - started)
    assert min(least) / 300 < 0.002


def test_finished_runs_are_read_by_the_same_files(tmp_path):
    """What collect calls complete is what the runner does."""
    write_run(tmp_path / "a" / "one", 0, 1.0)
    write_run(tmp_path / "a" / "two", 1, None, state="diverged")
    states = {row["run"]: row["state"] for row in collect(tmp_path)}
    for name, state in states.items():
        if state == "complete":
            assert meant.one(name, tmp_path).summary.figure("test_error") == 1.0
        else:
            with pytest.raises(BadInput, match=state):
                meant.one(name, tmp_path)
    assert json.loads((tmp_path / "a" / "one" / "run.json").read_text())["state"] == states["one"]


def test_damaged_runs_are_handed_to_whoever_wrote_the_table(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "o" / "a" / f"s{seed}", seed, 1.0)
    (tmp_path / "o" / "a" / "s1" / "summary.json").write_text("{}")
    damaged = []
    report.write_collected(runs.under(tmp_path / "o"), tmp_path / "out", damaged)
    assert [each.folder for each in damaged] == [tmp_path / "o" / "a" / "s1"]

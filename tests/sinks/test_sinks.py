"""Where rows go besides metrics.csv: what each library reads back is the table, once, and no sink fails a run."""

import importlib.util
import json
import os
import signal
import struct
import sys

import pytest

from tests.conftest import TINY
from tricktable.runner import sinks
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose, expand
from tricktable.runner.disk import record
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput, Interrupted
from tricktable.runner.papers import studies
from tricktable.runner.training import job

OFFLINE = {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": "", "MLFLOW_EXPERIMENT_NAME": "", "WANDB_PROJECT": "here"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)


def config(root, *overrides):
    return compose([*TINY, f"output.root={root}", *overrides])


def interrupted(monkeypatch, at):
    """Have the run get a SIGTERM behind this update, once; it saves and stops."""
    edge = job._Job._edge

    def stopped(self):
        if self.run.clock.updates == at:
            monkeypatch.setattr(job._Job, "_edge", edge)
            os.kill(os.getpid(), signal.SIGTERM)
        edge(self)

    monkeypatch.setattr(job._Job, "_edge", stopped)


def killed(monkeypatch, at):
    """Have the run end behind this epoch, with what it had saved before: rows of its sinks lie behind its checkpoint."""

    class Killed(BaseException):
        pass

    row = sinks.Sinks.row

    def ended(self, values):
        row(self, values)
        if values["epoch"] == at:
            monkeypatch.setattr(sinks.Sinks, "row", row)
            raise Killed

    monkeypatch.setattr(sinks.Sinks, "row", ended)
    return Killed


def table(root):
    (folder,) = (p.parent for p in root.glob("default/*/run.json"))
    return folder, record.read(folder / "metrics.csv")


def of_jsonl(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [each["event"] for each in lines] == ["start", *["epoch"] * (len(lines) - 2), "finish"]
    assert lines[0]["run"] == folder.name and lines[0]["config"]["model"]["name"] == "resnet"
    assert lines[-1]["state"] == "complete" and "final/plain/test_error" in lines[-1]["figures"]
    return [(each["epoch"], each["test_error"]) for each in lines[1:-1]]


def of_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    read = EventAccumulator(str(folder), purge_orphaned_data=False)
    read.Reload()
    assert {"train_loss", "lr", "final/plain/test_error"} <= set(read.Tags()["scalars"])
    return [(each.step, each.value) for each in read.Scalars("test_error")]


def of_mlflow(folder):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(folder.parent.parent / "mlruns").resolve().as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("default").experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["optimizer.lr"] == "0.1"
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "test_error")]


def records(data):
    """The records of a .wandb file: LevelDB's log behind 7 bytes of its own, in blocks of 32 KiB."""
    at, whole = 7, b""
    while at + 7 < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole one, or the last part of one
            yield whole
            whole = b""


def of_wandb(folder):
    """Of the newest file, which has every row: it is what `wandb sync` sends last."""
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # its process has written everything then
    files = sorted(
        (folder.parent.parent / "wandb").glob("offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime
    )
    assert len({path.name for path in files}) == 1, "the same run"
    found = []
    for data in records(files[-1].read_bytes()):
        entry = wandb_internal_pb2.Record()
        entry.ParseFromString(data)
        items = {"".join(i.nested_key) or i.key: json.loads(i.value_json) for i in entry.history.item}
        found += [(items["epoch"], items["test_error"])] if items else []
    return found


READ = {"jsonl": of_jsonl, "tensorboard": of_tensorboard, "mlflow": of_mlflow, "wandb": of_wandb}
NEED = {"jsonl": None, "tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}


@pytest.fixture(params=READ)
def sink(request):
    if NEED[request.param]:
        pytest.importorskip(NEED[request.param])
    return request.param


def check_same(sink, root):
    folder, rows = table(root)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    found = READ[sink](folder)
    assert [step for step, _ in found] == [1, 2, 3], "each epoch once, in order"
    assert [value for _, value in found] == pytest.approx([row["test_error"] for row in rows], rel=1e-6)


def test_it_has_the_tables_rows(sink, tmp_path):
    job.execute(config(tmp_path, f"log={sink}"))
    check_same(sink, tmp_path)


def test_a_run_that_goes_on_in_the_middle_of_an_epoch_has_each_epoch_once(sink, tmp_path, monkeypatch):
    interrupted(monkeypatch, at=6)
    with pytest.raises(Interrupted):
        job.execute(config(tmp_path, f"log={sink}"))
    job.execute(config(tmp_path, f"log={sink}"))
    check_same(sink, tmp_path)


def test_rows_behind_the_checkpoint_of_a_killed_run_are_not_there_twice(sink, tmp_path, monkeypatch):
    gone = killed(monkeypatch, at=2)
    with pytest.raises(gone):  # saved behind update 3, in the first epoch
        job.execute(config(tmp_path, f"log={sink}", "checkpoint.every=3"))
    if sink == "wandb":
        importlib.import_module("wandb").teardown()  # dies with the killed process
    job.execute(config(tmp_path, f"log={sink}"))
    check_same(sink, tmp_path)


def test_a_sink_that_is_chosen_later_has_the_earlier_rows_too(sink, tmp_path, monkeypatch):
    interrupted(monkeypatch, at=6)
    with pytest.raises(Interrupted):
        job.execute(config(tmp_path))
    job.execute(config(tmp_path, f"log={sink}"))
    check_same(sink, tmp_path)


class Breaks:
    def __init__(self, at):
        self.at, self.calls = at, []

    def __getattr__(self, name):
        def call(*_):
            self.calls.append(name)
            if name == self.at:
                raise SystemExit("no\nserver")

        return call


@pytest.mark.parametrize(("at", "calls"), [("start", 1), ("row", 2), ("finish", 5)])
def test_a_sink_that_breaks_is_one_line_and_the_others_go_on(tmp_path, monkeypatch, capsys, at, calls):
    broken, made = Breaks(at), sinks.sink._sink
    monkeypatch.setattr(sinks.sink, "check", lambda names: None)
    monkeypatch.setattr(sinks, "check", lambda names: None)
    monkeypatch.setattr(sinks.sink, "_sink", lambda name: made(name) if name == "jsonl" else broken)
    assert job.execute(config(tmp_path, "log=mlflow,jsonl")).state == "complete"
    assert len(broken.calls) == calls
    assert capsys.readouterr().err.count("warning: log: mlflow is off, and the run goes on without it (") == 1
    check_same("jsonl", tmp_path)


def test_a_full_disk_beneath_a_sink_fails_nothing(tmp_path, monkeypatch, capsys):
    """The file's place is taken by a folder."""
    start = sinks.Sinks.start

    def blocked(self, run):
        (run.folder / "log.jsonl").mkdir()
        start(self, run)

    monkeypatch.setattr(sinks.Sinks, "start", blocked)
    assert job.execute(config(tmp_path, "log=jsonl")).state == "complete"
    assert "jsonl is off" in capsys.readouterr().err


def test_a_library_that_is_absent_is_one_line_before_anything_is_written(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name))
    with pytest.raises(BadInput, match=r"^log: wandb needs wandb, .* pip install 'tricktable\[wandb\]'$"):
        job.execute(config(tmp_path / "outputs", "log=[jsonl,wandb]"))
    assert not (tmp_path / "outputs").exists()


def test_a_folder_of_a_librarys_name_is_not_that_library(tmp_path, monkeypatch):
    if importlib.util.find_spec("wandb"):
        pytest.skip("the library comes first")
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="not installed"):
        sinks.check(["wandb"])


def test_no_library_is_imported_unless_it_is_chosen(tmp_path):
    before = {name for name in ("tensorboard", "wandb", "mlflow") if name in sys.modules}
    sinks.Sinks(["tensorboard", "wandb", "mlflow", "jsonl"])
    assert {name for name in ("tensorboard", "wandb", "mlflow") if name in sys.modules} == before


@pytest.mark.parametrize("typed", ["log=tensorboard,wandb", "log=[tensorboard,wandb]"])
def test_a_comma_lists_with_and_without_brackets(typed):
    assert [each.name for each in compose([typed]).log] == ["tensorboard", "wandb"]
    assert len(expand([typed, "seed=0,1"])) == 2, "of a multirun too, whose points it makes no more of"


def test_it_is_no_part_of_what_a_run_is():
    plain, logged = compose(), compose(["log=jsonl"])
    assert schema.numeric(plain) == schema.numeric(logged) and plain.label == logged.label


def test_it_makes_no_row_of_its_own_in_a_studys_table(tmp_path):
    job.execute(config(tmp_path, "seed=0", "log=jsonl"))
    job.execute(config(tmp_path, "seed=1"))
    table = studies.tabulate("default", under(tmp_path, "default"))
    assert len(table.rows) == 1 and len(table.rows[0].runs) == 2


def test_runs_at_once_share_a_store(tricktable, tmp_path):
    pytest.importorskip("mlflow")
    done = tricktable("train", "-m", *TINY, "log=mlflow,jsonl", "seed=0,1", "--jobs", 2, env=OFFLINE)
    assert done.returncode == 0 and "is off" not in done.stdout + done.stderr, done.stderr
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "outputs" / "mlruns").resolve().as_uri())
    named = [each for each in client.search_experiments() if each.name == "default"]
    assert len(named) == 1 and len(client.search_runs([named[0].experiment_id])) == 2

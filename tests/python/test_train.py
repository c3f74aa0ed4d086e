"""Training from Python: the runs that the command makes, in a process that stays the caller's."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

import tricktable
from tests.conftest import ROOT, TINY


def rows(folder):
    with open(folder / "metrics.csv") as file:
        return [{k: v for k, v in row.items() if k != "images_per_second"} for row in csv.DictReader(file)]


def state():
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "precision": torch.get_float32_matmul_precision(),
        "grad": torch.is_grad_enabled(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "told": os.environ.get("TRICKTABLE_TOLD"),
    }


@pytest.fixture
def odd():
    """A process whose torch is set otherwise than a new one's."""
    before = state()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(12)
    yield
    torch.set_num_threads(before["threads"])
    torch.set_default_dtype(before["dtype"])
    torch.use_deterministic_algorithms(before["deterministic"], warn_only=before["warn_only"])
    torch.set_float32_matmul_precision(before["precision"])
    torch.backends.cudnn.benchmark = before["benchmark"]


def test_the_bits_are_the_commands_and_the_process_stays_the_callers(tricktable, tmp_path, odd):
    import tricktable as package

    typed = [*TINY, "augment=[crop,mixup]", "residual=stochastic_depth"]
    done = tricktable("train", *typed)
    assert done.returncode == 0, done.stderr
    (command,) = (tmp_path / "outputs" / "default").iterdir()
    before, generator = state(), torch.get_rng_state()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        package.train([*TINY, "seed=5", f"output.root={tmp_path / 'python'}"])  # another one before it
        run = package.train([*typed, f"output.root={tmp_path / 'python'}"])
        run.load().predict(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert state() == before and torch.equal(torch.get_rng_state(), generator)
    assert run.id == command.name and run.state == "complete"
    assert rows(run.path) == rows(command)
    own = package.run(command)
    assert run.summary["weights_sha256"] == own.summary["weights_sha256"]
    assert run.summary["results"] == own.summary["results"]


def test_what_a_run_tells(trained):
    assert trained.study == "default" and trained.config["batch_size"] == 16 and trained.reason is None
    assert list(trained.metrics.epoch) == [1, 2, 3] and "train_loss" in trained.metrics
    assert set(trained.results.variant) == {"final", "ema", "swa"}
    assert f"test error {trained.summary['test_error']:.2f}%" in repr(trained)
    assert tricktable.run(trained.id[-8:], root=trained.path.parents[1]) == trained


def test_what_is_complete_is_not_trained_again_and_progress_is_quiet(tmp_path, capfd):
    typed = [*TINY, f"output.root={tmp_path}"]
    run = tricktable.train(typed, quiet=True)
    assert capfd.readouterr() == ("", "")
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    assert tricktable.train(typed) == run
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()} == before
    tricktable.train([*typed, "seed=1"], quiet=False)
    said = capfd.readouterr()
    assert said.err.count("epoch ") == 3 and "test error" in said.out
    assert len((run.path / "log.txt").read_text().splitlines()) == 3, "the log has the epochs in any case"


def test_a_run_that_diverges_is_a_result(tmp_path):
    run = tricktable.train([*TINY, "optimizer.lr=1e30", f"output.root={tmp_path}"])
    assert run.state == "diverged" and run.reason in repr(run)


def test_in_a_thread_signals_stay_what_they_are(tmp_path):
    found = []
    before = signal.getsignal(signal.SIGINT)

    def work(seed):
        found.append(tricktable.train([*TINY, f"seed={seed}", f"output.root={tmp_path}"]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1)]
    for each in threads:
        each.start()
    assert signal.getsignal(signal.SIGINT) is before
    for each in threads:
        each.join()
    assert sorted(run.summary["seed"] for run in found) == [0, 1]
    alone = tricktable.train([*TINY, "seed=1", f"output.root={tmp_path / 'alone'}"])
    (other,) = (run for run in found if run.summary["seed"] == 1)
    assert alone.summary["weights_sha256"] == other.summary["weights_sha256"], "they wait for each other"


def test_an_interrupt_saves_and_the_same_call_goes_on(tmp_path):
    typed = [each for each in TINY if not each.startswith("epochs")] + ["epochs=25", f"output.root={tmp_path}"]

    def interrupt():
        while not list(tmp_path.glob("*/*/metrics.csv")):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(tricktable.Interrupted, match="run the same command again to go on"):
        tricktable.train(typed)
    (path,) = (tmp_path / "default").iterdir()
    assert tricktable.run(path).state == "interrupted" and list((path / "checkpoints").iterdir())
    run = tricktable.train(typed)
    assert run.path == path and run.state == "complete" and len(run.metrics) == 25


def test_several_values_are_several_runs(tmp_path, capfd):
    found = tricktable.train([*TINY, "seed=0,1", f"output.root={tmp_path}"], quiet=True)
    assert [run.config["seed"] for run in found] == [0, 1] and {run.state for run in found} == {"complete"}
    assert capfd.readouterr() == ("", ""), "of their processes, too"
    alone = tricktable.train([*TINY, "seed=1", f"output.root={tmp_path}"])
    assert alone == found[1], "it is the same run"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tricktable.train("seed=1"), "expected a list of key=value, got a text; write ['seed=1']"),
        (lambda: tricktable.train(["optimzer.lr=1"]), "did you mean optimizer.lr=1?"),
        (lambda: tricktable.train(["seed=1"], jobs=2), "are for several runs"),
        (lambda: tricktable.train(["batch_size=16,5000"]), "batch_size=5000"),
        (lambda: tricktable.run("nothing"), "no run; a run is its folder"),
        (lambda: tricktable.evaluate("nothing"), "no run; a run is its folder"),
        (lambda: tricktable.study("nothing.yaml"), "nothing.yaml"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tricktable.BadInput) as caught:
        call()
    assert said in str(caught.value) and "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_the_import_is_light_and_says_what_there_is():
    code = (
        "import sys, tricktable; assert {'load', 'train', 'runs', 'table', 'BadInput'} <= set(dir(tricktable)); "
        "heavy = {'torch', 'pandas', 'hydra', 'yaml', 'numpy'} & set(sys.modules); assert not heavy, heavy; "
        "tricktable.BadInput; assert 'torch' not in sys.modules; "
        "assert all(callable(getattr(tricktable, name)) for name in tricktable.__all__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = tricktable.lode

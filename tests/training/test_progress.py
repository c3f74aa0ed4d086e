"""A person sees how far a run is, names cannot steer the terminal, and nobody listening stops no run."""

import io
import math
import os
import pty
import subprocess
import sys
import threading
import time

import pytest

from tricktable.runner.errors import StorageProblem
from tricktable.runner.training import progress

ROW = {
    "epoch": 3, "samples": 150, "updates": 12, "lr": 0.0976, "batch_size": 128, "momentum": 0.9, "weight_decay": 5e-4,
    "train_loss": 0.4123, "train_error": 12.34, "val_loss": None, "val_error": None,
    "test_loss": 0.3891, "test_error": 11.12, "images_per_second": 1234.4,
}  # fmt: skip


def test_an_epoch_is_one_plain_line_where_there_is_no_terminal(tmp_path, monkeypatch):
    out, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with progress.Reporter(tmp_path / "log.txt", "run", stream=out) as reporter:
        reporter.start(30, 2)
        clock[0] = 10.0
        reporter.advance(2.5)
        reporter.row(ROW)
        reporter.row({**ROW, "val_loss": 0.5, "val_error": 20.0, "test_loss": None, "test_error": None})
    first, second = out.getvalue().splitlines()
    figures = "lr 0.0976  batch 128  train 0.412 (12.3%)  test 0.389 (11.1%)  1234 images/s  4:30 left"
    assert first == f"epoch 3/30  {figures}"
    assert "val 0.500 (20.0%)" in second and "test" not in second
    assert (tmp_path / "log.txt").read_text() == out.getvalue()


def test_the_reporter_takes_a_row_of_a_diverged_epoch():
    out = io.StringIO()
    reporter = progress.Reporter(stream=out)
    reporter.start(3)
    reporter.row({**ROW, "train_loss": math.nan, "test_loss": math.inf, "images_per_second": None})
    assert "train nan" in out.getvalue() and "test inf" in out.getvalue()


def on_a_terminal(title, work):
    """What a terminal receives from a reporter that `work` uses."""
    ours, theirs = pty.openpty()
    received = []

    def listen():
        while True:
            try:
                received.append(os.read(ours, 65536))
            except OSError:
                return

    listener = threading.Thread(target=listen)
    listener.start()
    with open(theirs, "w", encoding="utf-8") as stream, progress.Reporter(title=title, stream=stream) as reporter:
        work(reporter)
    listener.join()
    os.close(ours)
    return b"".join(received).decode()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    return on_a_terminal


def test_a_terminal_gets_a_bar(terminal):
    def work(reporter):
        reporter.start(30, 2)
        reporter.row(ROW)

    shown = terminal("[bold]run\x1b[2J[/nonsense]", work)
    for words in (
        "epoch 4 of 30",
        "1234 images/s",
        "loss 0.412",
        "test 11.12%",
        "left",
        "[bold]run\\x1b[2J[/nonsense]",
    ):
        assert words in shown
    assert "\x1b[2J" not in shown


def test_advance_draws_a_few_times_a_second_only(terminal):
    def work(reporter):
        reporter.start(30)
        begin = time.perf_counter()
        for i in range(20_000):
            reporter.advance(i / 1000)
        spent.append(time.perf_counter() - begin)

    spent = []
    shown = terminal("run", work)
    assert shown.count("epoch") < 5 + spent[0] / progress.EVERY


def test_no_bar_on_a_dumb_terminal(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    def work(reporter):
        reporter.start(30)
        reporter.row(ROW)

    assert terminal("run", work).startswith("epoch 3/30") and "\x1b" not in terminal("run", work)


REPORT = """
import sys
from tricktable.runner.training import progress
sys.stderr.isatty = lambda: {tty}
with progress.Reporter(title='run') as reporter:
    reporter.start(30)
    for i in range(1, 31):
        reporter._drawn = 0
        reporter.advance(i - 0.5)
        reporter.row({{'epoch': i, 'train_loss': 0.5, 'lr': 0.1}})
print('went on')
"""


@pytest.mark.parametrize("tty", [False, True])
def test_a_closed_stderr_does_not_stop_a_run(tty):
    code = REPORT.format(tty=tty)
    environment = {**os.environ, "TERM": "xterm"}
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stderr.close()
    assert child.stdout.read() == b"went on\n"
    assert child.wait() == 0
    child.stdout.close()


def test_a_terminal_that_goes_away_does_not_stop_a_run():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    child = subprocess.Popen(
        [sys.executable, "-c", "input()\n" + REPORT.format(tty=True)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    assert child.communicate(b"\n")[0] == b"went on\n"
    assert child.returncode == 0


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    reporter = progress.Reporter(tmp_path / "gone" / "log.txt", stream=io.StringIO())
    reporter.start(3)
    with pytest.raises(StorageProblem, match=r"log\.txt"):
        reporter.row(ROW)

"""Signals while a run trains: which of them save, who loses patience, and which stay ignored."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
import torch
from PIL import Image

from tests.conftest import ROOT, TINY
from tricktable.runner import machine
from tricktable.runner.config.compose import compose
from tricktable.runner.data.stream import Stream
from tricktable.runner.errors import Interrupted
from tricktable.runner.training import job


@pytest.fixture
def signalled(tmp_path, monkeypatch):
    """Train, with these signals before the second edge; returns the state that run.json says afterwards."""

    def run(*names):
        edge = job._Job._edge

        def disturbed(self):
            if self.run.clock.updates == 2:
                for name in names:
                    os.kill(os.getpid(), signal.Signals[name])
            edge(self)

        monkeypatch.setattr(job._Job, "_edge", disturbed)
        job.execute(compose([*TINY, f"output.root={tmp_path}"]))

    return run


def state(root):
    return json.loads(next(root.glob("default/*/run.json")).read_text())


@pytest.mark.parametrize("names", [["SIGUSR2"], ["SIGUSR1", "SIGTERM"], ["SIGTERM", "SIGTERM"], ["SIGTERM", "SIGINT"]])
def test_schedulers_send_several_signals_and_the_run_is_saved(tmp_path, signalled, names):
    with pytest.raises(Interrupted, match=f"{names[-1]}: saved"):
        signalled(*names)
    assert state(tmp_path)["state"] == "interrupted" and state(tmp_path)["updates"] == 2
    assert list(tmp_path.glob("default/*/checkpoints/step_*"))


def test_a_second_ctrl_c_does_not_wait_for_the_edge(tmp_path, signalled):
    with pytest.raises(KeyboardInterrupt):
        signalled("SIGINT", "SIGINT")
    assert not list(tmp_path.glob("default/*/checkpoints/step_*"))


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_what_nohup_or_a_script_ignores_stays_ignored(tmp_path, signalled, name):
    before = signal.signal(signal.Signals[name], signal.SIG_IGN)
    try:
        signalled(name)
    finally:
        signal.signal(signal.Signals[name], before)
    assert state(tmp_path)["state"] == "complete"


def test_a_dead_stderr_fails_no_resumed_run(tmp_path, signalled, monkeypatch):
    with pytest.raises(Interrupted):
        signalled("SIGTERM")
    command = [sys.executable, "-m", "tricktable", "train", *TINY, f"output.root={tmp_path}"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0 and state(tmp_path)["state"] == "complete" and state(tmp_path)["attempt"] == 2


def test_a_signal_to_the_whole_group_leaves_the_decoding_processes_at_work(tmp_path):
    """Ctrl-C, and a scheduler's SIGTERM, reach them too; one that died would end the step that is still to be saved."""
    for i in range(12):
        Image.new("RGB", (9, 9), (20 * i, 0, 0)).save(tmp_path / f"{i}.png")
    names = tuple(f"{i}.png" for i in range(12))
    stream = Stream(tmp_path, names, torch.arange(12), size=8, channels=3, workers=2)
    seen = []
    with machine.when_stopped(lambda number: None):  # as in a run, whose handlers its processes inherit
        for _, labels in stream.draw([(i, i + 1) for i in range(12)]):
            seen += labels.tolist()
            for child in multiprocessing.active_children():
                for number in machine.STOPS:
                    os.kill(child.pid, number)
    assert seen == list(range(12))


def test_a_decoding_process_is_deaf_from_its_first_moment(tmp_path, monkeypatch):
    """Between its start and its first image torch's own handlers are put in place: a signal then ended it."""
    start = multiprocessing.Process.start

    def and_signal(self):
        start(self)
        for number in machine.STOPS:
            os.kill(self.pid, number)

    monkeypatch.setattr(multiprocessing.Process, "start", and_signal)
    Image.new("RGB", (9, 9)).save(tmp_path / "0.png")
    stream = Stream(tmp_path, ("0.png",) * 8, torch.arange(8), size=8, channels=3, workers=2)
    assert [labels.tolist() for _, labels in stream.draw([(0, 4), (4, 8)])] == [[0, 1, 2, 3], [4, 5, 6, 7]]

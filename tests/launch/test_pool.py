"""Many runs at once: how many, where, for how long, and what is known of each afterwards."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from rich.console import Console

from tests import stub
from tests.conftest import ROOT
from tricktable.runner.errors import BadInput, Interrupted, SweepFailed
from tricktable.runner.launch import pool
from tricktable.runner.launch.outcome import ended, raise_for
from tricktable.runner.launch.overview import Overview, Training, clock


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def wait_for(condition):
    end = time.monotonic() + 900
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def state_of(root, seed):
    return stub.infos(root).get(seed, {}).get("state")


def test_so_many_at_once_and_no_more(run, tmp_path):
    run(range(6), dict.fromkeys(range(6), "a while"), parallel=3)
    spans = [(info["began"], info["ended"]) for info in stub.infos(tmp_path).values()]
    together = [sum(begin <= t < end for begin, end in spans) for t, _ in spans]
    assert max(together) == 3


def test_one_after_another_unless_told(run, tmp_path):
    outcomes = run(range(3))
    assert [o.state for o in outcomes] == ["complete"] * 3 and outcomes[0].summary.figure("test_error") == 1.5
    spans = sorted((info["began"], info["ended"]) for info in stub.infos(tmp_path).values())
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert stub.starts(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize(("visible", "expected"), [(None, {"0", "1"}), ("5,GPU-7", {"5", "GPU-7"})])
def test_each_run_sees_one_gpu_and_they_share_them_evenly(run, tmp_path, monkeypatch, visible, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    run(range(4), dict.fromkeys(range(4), "a while"), gpus=(0, 1), parallel=4)
    assert Counter(info["gpu"] for info in stub.infos(tmp_path).values()) == dict.fromkeys(expected, 2)


def test_a_run_of_two_processes_sees_two_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    jobs = [replace(stub.job(tmp_path, seed), processes=2) for seed in (0, 1)]
    (tmp_path / "faults.json").write_text(json.dumps({0: "a while", 1: "a while"}))
    pool.launch(jobs, gpus=(0, 1, 2, 3), command=stub.command(tmp_path))
    assert {info["gpu"] for info in stub.infos(tmp_path).values()} == {"0,1", "2,3"}
    with pytest.raises(BadInput, match="the 2 processes of a run have a GPU each .* expected a multiple of 2, got 3"):
        pool.launch(jobs, gpus=(0, 1, 2), command=stub.command(tmp_path))


def test_as_many_at_once_as_there_are_gpus_unless_told(run, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    run(range(2), dict.fromkeys(range(2), "a while"), gpus=(1, 0))
    (first, end), (second, _) = sorted((info["began"], info["ended"]) for info in stub.infos(tmp_path).values())
    assert first <= second < end


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parallel": 0}, "--jobs: expected at least 1, got 0"),
        ({"timeout": 0.0}, "--timeout: expected a number of minutes above 0, got 0"),
        ({"timeout": float("nan")}, "--timeout: .* got nan"),
        ({"gpus": (0, 3)}, "--gpus: expected different numbers below 2, .* got 0,3"),
        ({"gpus": (1, 1)}, "--gpus: expected different numbers below 2, .* got 1,1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(run, tmp_path, monkeypatch, options, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadInput, match=words):
        run([0], **options)
    assert not stub.starts(tmp_path)


def test_the_same_run_twice_is_made_once(run, tmp_path):
    outcomes = run([0, 1, 0], parallel=3)
    assert [o.state for o in outcomes] == ["complete"] * 3 and sorted(stub.starts(tmp_path)) == [0, 1]


def test_what_has_ended_is_not_started_again(run, tmp_path, capsys):
    run([0, 1], {1: "diverged"})
    capsys.readouterr()
    outcomes = run([0, 1, 2], parallel=2)
    assert [o.state for o in outcomes] == ["complete", "diverged", "complete"]
    assert stub.starts(tmp_path) == [0, 1, 2]
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"3 runs in {tmp_path}/stubs, 1 already complete, 1 already diverged"
    assert last == "[3/3] done: seed=2  test error 1.50%"


def test_a_run_past_its_time_limit_is_asked_to_stop_and_has_failed(run, tmp_path):
    (outcome,) = run([0], {0: "slow"}, timeout=0.02)
    assert (outcome.state, outcome.reason) == ("failed", "ran past its time limit of 0.02 min")
    assert stub.infos(tmp_path)[0]["reason"] == outcome.reason
    assert run([0])[0].state == "complete" and stub.infos(tmp_path)[0]["reason"] is None


def test_when_the_time_is_up_what_runs_is_saved_and_the_same_call_goes_on(run, tmp_path):
    with pytest.raises(Interrupted, match="with 1 of 3 runs done; run the same command again to go on"):
        run([0, 1, 2], {1: "slow"}, until=time.monotonic() + 3)
    assert [state_of(tmp_path, seed) for seed in (0, 1, 2)] == ["complete", "interrupted", None]
    assert [outcome.state for outcome in run([0, 1, 2])] == ["complete"] * 3
    assert sorted(stub.starts(tmp_path)) == [0, 1, 1, 2]
    with pytest.raises(Interrupted, match="with 0 of 1 runs done"):
        run([3], until=time.monotonic() - 1)
    assert 3 not in stub.starts(tmp_path)


def test_a_run_that_dies_before_it_has_a_folder_is_recorded_with_what_it_said(run, tmp_path, capsys):
    first, second = run([0, 1], {0: "early", 1: "early"}, parallel=2)
    assert (first.state, first.reason) == ("failed", "exited with 1: no such GPU")
    folder = stub.folder(tmp_path, 1)
    assert (folder.read().state, folder.read().reason) == ("failed", second.reason)
    assert folder.files.log.read_text().endswith("tricktable: no such GPU\n")
    assert capsys.readouterr().out.count("warning: nothing good will come of this") == 1


def test_an_earlier_reason_is_not_taken_for_this_ones(run, tmp_path):
    assert run([0], {0: "own words"})[0].reason == "in its own words"
    assert run([0], {0: "early"})[0].reason == "exited with 1"
    assert stub.folder(tmp_path, 0).read().reason == "exited with 1"


def test_a_run_that_was_stopped_by_somebody_is_no_failure_and_the_others_go_on(run):
    outcomes = run([0, 1], {0: "stopped"}, parallel=2)
    assert [o.state for o in outcomes] == ["interrupted", "complete"]
    with pytest.raises(Interrupted, match=r"1 of 2 runs were stopped: seed=0 \(saved\)"):
        raise_for(outcomes)


def test_a_command_that_cannot_be_started_fails_its_runs_alone(run):
    outcomes = run([0, 1], command=["/nowhere/python"])
    assert [o.reason for o in outcomes] == [
        "no process could be started: it, or the folder that holds it, is not there"
    ] * 2
    with pytest.raises(SweepFailed, match="2 of 2 runs failed"):
        raise_for(outcomes)


def test_a_damaged_summary_fails_its_run_alone(run, tmp_path):
    run([0])
    stub.folder(tmp_path, 0).files.summary.write_text("{")
    outcomes = run([0, 1])
    assert [o.state for o in outcomes] == ["failed", "complete"] and "summary.json: it was changed" in outcomes[
        0
    ].reason


@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_is_handed_to_all_runs_and_a_third_sigint_kills(tmp_path, times):
    fault = "slow" if times == 1 else "hang"
    (tmp_path / "faults.json").write_text(json.dumps({0: fault, 1: fault}))
    command = [*stub.command(tmp_path), "launch", "4"]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: (state_of(tmp_path, 0), state_of(tmp_path, 1)) == ("running", "running"))
    time.sleep(0.3)  # the stubs have their handlers
    for _ in range(times):
        driver.send_signal(signal.SIGTERM if times == 1 else signal.SIGINT)
        time.sleep(0.1)
    output, _ = driver.communicate(timeout=900)
    assert driver.returncode == 75, output
    assert "interrupted with 0 of 4 runs done; run the same command again to go on" in output
    assert {state_of(tmp_path, seed) for seed in (0, 1)} == {"interrupted" if times == 1 else "running"}
    assert sorted(stub.starts(tmp_path)) == [0, 1]


def test_what_another_process_works_on_is_waited_for_and_not_done_again(run, tmp_path, capsys):
    (tmp_path / "faults.json").write_text('{"0": "a while"}')
    other = subprocess.Popen([*stub.command(tmp_path), "seed=0"], cwd=ROOT)
    wait_for(lambda: state_of(tmp_path, 0) == "running")
    outcomes = run([0, 1], {0: "a while"}, parallel=2)
    assert other.wait() == 0
    assert [o.state for o in outcomes] == ["complete", "complete"]
    assert stub.starts(tmp_path) == [0, 1]
    assert f"waiting for seed=0: in use by process {other.pid} on " in capsys.readouterr().out


def test_what_another_process_keeps_for_too_long_is_given_up_and_left_alone(run, tmp_path):
    (tmp_path / "faults.json").write_text('{"0": "slow"}')
    other = subprocess.Popen([*stub.command(tmp_path), "seed=0"], cwd=ROOT)
    wait_for(lambda: state_of(tmp_path, 0) == "running")
    before = (stub.folder(tmp_path, 0).path / "run.json").read_bytes()
    (outcome,) = run([0], {0: "slow"}, timeout=0.01, grace=0.1)
    assert outcome.state == "failed" and f"still in use by process {other.pid}" in outcome.reason
    assert (stub.folder(tmp_path, 0).path / "run.json").read_bytes() == before
    other.kill()
    other.wait()


def test_two_launches_share_the_runs(tmp_path):
    command = [*stub.command(tmp_path), "launch", "12"]
    drivers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [driver.wait(timeout=900) for driver in drivers] == [0, 0]
    found = stub.infos(tmp_path)
    assert {(info["state"], info["finished"]) for info in found.values()} == {("complete", 1)} and len(found) == 12


ORPHAN = """
import subprocess, sys
code = "import os, time; from tricktable.runner.launch.child import stop_with; stop_with(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
subprocess.run([sys.executable, "-c", code])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_run_stops_when_its_driver_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, cwd=ROOT)
    child = int(parent.stdout.readline())
    parent.kill()
    assert parent.stdout.read() == b""  # which ends when the child has
    parent.wait()
    parent.stdout.close()
    with pytest.raises(ProcessLookupError):
        wait_for(lambda: os.kill(child, 0))


def test_a_run_whose_driver_is_dead_already_does_not_start():
    done = subprocess.run(
        [sys.executable, "-m", "tricktable", "--child-of", "1", "list"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (75, b"")


def test_the_process_of_a_run_is_the_command(tmp_path):
    command = [sys.executable, "-m", "tricktable", "--child-of", str(os.getpid()), "list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "augment" in done.stdout


def test_too_many_threads_are_said(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pool.machine, "cores", lambda: 4)
    jobs = [replace(stub.job(tmp_path, seed), threads=4) for seed in (0, 1)]
    pool.launch(jobs, parallel=2, command=stub.command(tmp_path))
    assert "note: 2 runs of 4 threads each share 4 cores; compute.threads=2 is faster" in capsys.readouterr().out


def test_a_line_for_each_run_where_there_is_no_terminal():
    out = io.StringIO()
    with Overview(3, live=True, stream=out) as view:
        view.end("seed=0", "complete", "test error 1.50%", 2.0)
        assert not view.due
        view.end("seed=\x1b[2J", "failed", "killed by SIGKILL", 1.0)
    assert out.getvalue() == "[1/3] done: seed=0  test error 1.50%\n[2/3] failed: seed=\\x1b[2J  killed by SIGKILL\n"


def test_the_time_left_is_that_of_the_runs_that_wait_and_of_what_the_others_lack():
    view = Overview(10, stream=io.StringIO())
    training = [Training("a", 5.0, 3, 4), Training("b", 5.0)]
    assert view.left(training) is None
    view.count("complete")  # before this call: it says nothing of the pace
    view.count("complete", 8.0)
    view.count("complete", 12.0)
    view.count("failed", 1.0)
    assert view.left(training) == pytest.approx(10.0 * (4 + 0.25 + 1) / 2)
    assert [clock(59.6), clock(3661.0)] == ["1:00", "1:01:01"]


def test_a_terminal_gets_a_picture_of_the_runs_that_train(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
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
    with open(theirs, "w", encoding="utf-8") as stream, Overview(5, live=True, stream=stream) as view:
        view.end("seed=0", "complete", "test error 1.50%", 60.0)
        assert view.due
        view.draw([Training("augment=[crop] seed=1", 75.0, 12, 30), Training("seed=2", 3.0)])
        assert not view.due
    listener.join()
    os.close(ours)
    shown = b"".join(received).decode()
    for words in (
        "[1/5] done: seed=0  test error 1.50%",
        "augment=[crop] seed=1",
        "epoch 12 of 30",
        "1:15",
        "starting",
    ):
        assert words in shown
    assert "1 done  2 running  2 waiting  about 1:48 left" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_the_picture_of_long_titles_fits_and_cuts_no_word(width, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    title = "augment=[crop,flip,random_erasing] optimizer.weight_decay=0.0005 schedule.lr=cosine_with_restarts seed=11"
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stream, Overview(5, live=True, stream=stream) as view:
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(view._picture([Training(title, 75.0, 12, 30), Training("seed=2", 3.0)]))
        console.print(view._picture([]))
    os.close(ours)
    said = console.export_text()
    assert "…" not in said and max(map(len, said.splitlines())) <= width
    assert all(word in said for word in title.split()) and "epoch 12 of 30" in said and "2 running  3 waiting" in said


def test_nobody_listening_stops_no_run(tmp_path):
    command = [*stub.command(tmp_path), "launch", "3"]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    driver.stdout.close()
    assert driver.wait(timeout=900) == 0 and len(stub.infos(tmp_path)) == 3


def test_a_run_whose_files_were_changed_since_it_ended_is_made_again(run, tmp_path):
    run(range(3))
    folder = stub.job(tmp_path, 1).folder()
    text = folder.files.summary.read_text()
    folder.files.summary.write_text(text.replace("1.5", "1.4"))
    assert ended(stub.job(tmp_path, 1)) is None and ended(stub.job(tmp_path, 0)).state == "complete"


def test_a_damaged_sibling_leaves_the_others_complete(run, tmp_path):
    run(range(3))
    path = stub.job(tmp_path, 1).folder().files.info
    path.write_bytes(path.read_bytes()[:-9])
    outcomes = run(range(3))
    assert [each.state for each in outcomes] == ["complete"] * 3 and len(stub.starts(tmp_path)) == 4
    assert outcomes[1].job.folder().path != path.parent and path.exists(), "made beside it"

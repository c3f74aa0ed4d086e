"""What is made of a job that says something or nothing, and of a Slurm that answers or does not; none is needed here."""

import json
import signal
from pathlib import Path

import pytest

from tricktable.runner.launch.engines import slurm
from tricktable.runner.launch.engines.elsewhere import Distant, Task, Told
from tricktable.runner.launch.engines.engine import Order


class Queue:
    """squeue, as a test wants it; `asked` has what else Slurm was told."""

    def __init__(self):
        self.states, self.asked = {}, []

    def __call__(self, *command):
        if command[0] != "squeue":
            self.asked.append(command)
            return ""
        return None if self.states is None else "".join(f"{job} {state}\n" for job, state in self.states.items())


@pytest.fixture
def queue(monkeypatch):
    found = Queue()
    monkeypatch.setattr(slurm, "_slurm", found)
    return found


@pytest.fixture
def run(tmp_path, queue):
    """A run as job 7_1, and the task by which it tells of itself."""
    options = slurm.Options(
        partition=None, time=5, gres=None, cpus=1, memory=None, account=None, requeue=1, save=1, poll=1e-9, more={}
    )
    task = Task.of(Order(("seed=1",), tmp_path, "key"))
    order = tmp_path / "order.json"
    order.touch()
    return slurm.SlurmRun(slurm.Slurm(options), order, Path(task.told), "7_1"), task


def test_a_job_that_waits_has_no_process_and_no_time(run, queue):
    found, _ = run
    queue.states = {"7_1": "PENDING"}
    assert found.code is None and found.pid is None and found.seconds == 0


def test_a_job_says_itself_how_it_ended_whatever_slurm_says(run, queue):
    found, task = run
    queue.states = None
    task.tell(Told(12, "node"))
    assert found.code is None and found.pid == 12 and found.seconds > 0
    task.tell(Told(12, "node", 4, "diverged"))
    assert found.code == 4 and found.said() == "diverged"
    assert not found.told.exists() and not found.order.exists(), "what is over is cleared away"
    assert found.code == 4 and found.pid == 12


def test_a_job_that_was_stopped_and_is_still_in_the_queue_goes_on(run, queue):
    found, task = run
    for state in ("RUNNING", "COMPLETING", "PENDING"):
        queue.states = {"7_1": state}
        task.tell(Told(12, "node", 75))
        assert found.code is None and found.seconds == 0
    task.tell(Told(13, "other"))
    queue.states = {"7_1": "RUNNING"}
    assert found.code is None and found.pid == 13 and found.seconds > 0


@pytest.mark.parametrize("state", ["CANCELLED", ""])
def test_a_job_that_was_stopped_and_left_the_queue_was_stopped(run, queue, state):
    found, task = run
    task.tell(Told(12, "node", 75))
    queue.states = {"7_1": state} if state else {}
    assert found.code == 75


def test_a_job_that_was_cancelled_before_it_began_was_stopped(run, queue):
    found, _ = run
    queue.states = {"7_1": "CANCELLED"}
    assert [found.code for _ in range(3)] == [None, 75, 75]


def test_a_job_that_ends_without_a_word_has_failed_with_the_last_line_of_its_log(run, queue):
    found, task = run
    task.tell(Told(12, "node"))
    log = found.told.parent / "slurm" / "7_1_0_log.err"
    log.parent.mkdir()
    log.write_text("one\nslurmstepd: error: Detected 1 oom_kill event\n\n")
    queue.states = {"7_1": "OUT_OF_MEMORY"}
    assert [found.code for _ in range(2)] == [None, 1]
    assert found.said() == "Slurm says OUT_OF_MEMORY: slurmstepd: error: Detected 1 oom_kill event"


def test_while_slurm_does_not_answer_nothing_is_given_up(run, queue):
    found, task = run
    queue.states = {"7_1": "RUNNING"}
    task.tell(Told(12, "node"))
    assert found.code is None
    queue.states = None
    assert [found.code for _ in range(5)] == [None] * 5
    queue.states = {}
    assert [found.code for _ in range(2)] == [None, 1]
    assert found.said() == "Slurm says RUNNING", "the last that was heard of it"


def test_jobs_of_one_moment_are_cancelled_by_one_command(run, queue):
    found, _ = run
    found.hand_on([signal.SIGTERM])
    found.hand_on([signal.SIGTERM, signal.SIGTERM])
    other = slurm.SlurmRun(found._engine, found.order, found.told, "7_2")
    other.hand_on([signal.SIGINT])
    with found._engine.together(print):
        pass
    assert queue.asked == [("scancel", "7_1", "7_2")]


def test_a_job_is_found_again_by_what_lies_in_its_study_and_nothing_beyond_it(run, queue, tmp_path):
    found, task = run
    queue.states = {"7_1": "RUNNING"}
    task.tell(Told(12, "node"))
    order, path = Order(("seed=1",), tmp_path, "key"), found.told.parent / "key.order.json"
    assert found._engine.found(order) is None
    for held in ({"job": "7_1"}, {"job": "7_2", "told": found.told.name}):
        path.write_text(json.dumps(held))
        assert found._engine.found(order) is None
    path.write_text(json.dumps({"job": "7_1", "told": f"/elsewhere/{found.told.name}"}))
    again = found._engine.found(order)
    assert again.told == found.told and again.pid == 12 and again.seconds > 0


class Run(Distant):
    """A run that notes what it is asked."""

    def __init__(self, told):
        super().__init__(told)
        self.asked = []

    def stop(self):
        self.asked.append("stop")

    def kill(self):
        self.asked.append("kill")


def test_a_signal_is_handed_on_once_and_a_third_ctrl_c_kills(tmp_path):
    run = Run(tmp_path / "told")
    for number in range(1, 4):
        run.hand_on([signal.SIGINT] * number)
        run.hand_on([signal.SIGINT] * number)
    assert run.asked == ["stop", "kill"]


def test_a_time_limit_counts_from_the_start_and_not_in_the_queue(tmp_path):
    run = Run(tmp_path / "told")
    run.hurry(1.0, 1.0)
    assert not run.asked and not run.late
    run._began = -1e9
    run.hurry(1.0, 1e12)
    run.hurry(1.0, 1e12)
    assert run.asked == ["stop"] and run.late
    run.hurry(1.0, 1.0)
    assert run.asked == ["stop", "kill"]


def test_what_is_told_is_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "told"
    for text in ("", "{", '{"pid": 1}', "[]"):
        path.write_text(text)
        assert Told.read(path) == Told()

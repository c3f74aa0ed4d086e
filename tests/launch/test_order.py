"""Launches on one grid: the first begins at the beginning, each other elsewhere, and few starts are refused."""

import json
import os
import subprocess
from collections import Counter, deque

import pytest

from tests import stub
from tests.conftest import ROOT
from tricktable.runner.launch import order


@pytest.fixture
def jobs(tmp_path):
    return deque(stub.job(tmp_path, seed) for seed in range(40))


def seeds(jobs):
    return [int(job.title.removeprefix("seed=")) for job in jobs]


def test_a_launch_alone_goes_by_what_was_typed_and_the_next_begins_elsewhere(jobs):
    second, third = deque(jobs), deque(jobs)
    with order.begun(jobs), order.begun(second):
        assert seeds(jobs) == list(range(40))
        first = seeds(second)[0]
        assert seeds(second) == [(first + i) % 40 for i in range(40)], "it goes round"
    with order.begun(third):
        assert seeds(third) == list(range(40)), "the others are gone"


def test_where_folders_have_no_locks_each_begins_elsewhere(jobs, monkeypatch):
    monkeypatch.setattr(order.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(9, "Bad file descriptor")))
    monkeypatch.setattr(order.os, "getpid", lambda: 7)
    with order.begun(jobs):
        assert seeds(jobs) != list(range(40)) and sorted(seeds(jobs)) == list(range(40))


def test_places_are_spread_over_the_grid_by_host_and_number(jobs, monkeypatch):
    found = []
    for number in range(400):
        waiting = deque(jobs)
        monkeypatch.setattr(order.os, "getpid", lambda number=number: 1000 + number % 100)
        monkeypatch.setattr(order.socket, "gethostname", lambda number=number: f"host{number // 100}")
        order.turn(waiting, 0)
        found.append(seeds(waiting)[0])
    assert len(set(found)) == 40 and max(Counter(found).values()) < 30  # 10 each on average
    order.turn(deque(), 0)


def test_a_study_s_folder_that_cannot_be_made_is_said_by_its_runs(tmp_path):
    (tmp_path / stub.STUDY).touch()
    waiting = deque([stub.job(tmp_path, 0)])
    with order.begun(waiting):
        assert len(waiting) == 1


def test_of_two_launches_at_once_few_starts_are_refused(tmp_path):
    number = 16
    (tmp_path / "faults.json").write_text(json.dumps(dict.fromkeys(range(number), "a while")))
    command = [*stub.command(tmp_path), "launch", str(number)]
    drivers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=stub.environment()) for _ in "12"]
    assert [driver.wait(timeout=300) for driver in drivers] == [0, 0]
    started = Counter(stub.starts(tmp_path))
    assert len(started) == number and os.path.isdir(tmp_path / stub.STUDY)
    assert started.total() <= 1.25 * number, "in step it would be nearly twice as many"

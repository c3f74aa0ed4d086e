"""Rows D: signals at any moment: saved at the next step's end, exit code 75, and the same command goes on."""

import random
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.forked import digest, left_over, newest, tiny
from tests.faults.trials import several

PLAIN = tiny("checkpoint.every=3", "augment=[crop,mixup]")
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


@pytest.fixture(scope="module")
def plain(zygote, tmp_path_factory):
    return zygote.whole(tmp_path_factory.mktemp("plain"), PLAIN)


def ended_by(code, number):
    """How a process may end that a signal meets before there is anything to save."""
    return code in (-number, 128 + number)


@pytest.mark.parametrize("trials", several(2, 25))
@pytest.mark.parametrize("name", NAMES)
def test_d1_a_signal_at_random(zygote, tmp_path, held, plain, name, trials):
    number, good, saved = getattr(signal, name), 0, 0
    for seed in trials:
        chance, folder = random.Random(f"{name} {seed}"), tmp_path / str(seed)
        child = zygote.train(folder, PLAIN)
        while not child.at_cpu(chance.uniform(0, plain[1])):  # it was over before
            child.wait()
            shutil.rmtree(folder)
            child = zygote.train(folder, PLAIN)
        child.send(number)
        late = not child.over(30)
        code = child.wait()
        saved += code == 75
        as_said = code == 75 or (ended_by(code, number) and newest(folder) is None) or (code == 0)
        again = zygote.train(folder, PLAIN)
        same = not late and as_said and again.wait() == 0 and digest(folder) == plain[0] and not left_over(folder)
        good += same
        if not same:
            print(f"{name} {seed}: exit {code}, then {again.code}: {child.said[-1500:]}")
    held(len(trials), good, f"{saved} of {len(trials)} {name} in the training, exit 75")


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("at", ["at_step", "at_save", "at_evaluation"])
def test_d1_a_signal_in_a_step_a_save_and_an_evaluation(zygote, tmp_path, held, plain, name, at):
    stop = (at, {"number": 2, "action": "signals", "numbers": [getattr(signal, name)]})
    child = zygote.train(tmp_path, PLAIN, inject=[stop])
    assert child.wait() == 75 and child.said.count("tricktable: ") == 1, child.said
    held(1, zygote.train(tmp_path, PLAIN).wait() == 0 and digest(tmp_path) == plain[0])


@pytest.mark.parametrize("trials", several(2, 20))
def test_d2_a_second_interrupt_while_it_saves(zygote, tmp_path, held, plain, trials):
    """It stops at once, and the save before it is whole."""
    good = 0
    for seed in trials:
        number, folder = signal.SIGINT, tmp_path / str(seed)
        step = 4 + seed % 8
        first = ("at_step", {"number": step, "action": "signals", "numbers": [number]})
        # Steps 3, 6, 9 and 12 are saved anyway; the save that the first signal asks for comes behind those before it.
        second = ("at_save", {"number": 1 + (step - 1) // 3, "action": "signals", "numbers": [number]})
        child = zygote.train(folder, PLAIN, inject=[first, second])
        code = child.wait()
        again = zygote.train(folder, PLAIN)
        same = ended_by(code, number) and newest(folder) and again.wait() == 0 and digest(folder) == plain[0]
        good += bool(same)
        if not same:
            print(f"{seed}: exit {code}, then {again.wait()}: {child.said[-1500:]}")
    held(len(trials), good)


@pytest.mark.faults
def test_d3_nobody_reads_what_it_says(tmp_path, held, plain):
    """The pipe that it writes to is closed: it goes on to its end."""
    command = [sys.executable, "-m", "tricktable", "train", *PLAIN, f"output.root={tmp_path}/outputs"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    child.stdout.close()
    held(1, child.wait(timeout=300) == 0 and digest(tmp_path) == plain[0])

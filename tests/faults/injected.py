"""Faults that a forked run is given before it begins (zygote.py)."""

import errno
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def failing(call, number, code, lasting=False):
    """The number-th call of an os function fails with this error; with `lasting` every later one too."""
    real, calls = getattr(os, call), 0

    def fails(*arguments, **options):
        nonlocal calls
        if arguments[0] == os.devnull:  # it is no file of anybody's
            return real(*arguments, **options)
        calls += 1
        if calls == number or (lasting and calls > number):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
        return real(*arguments, **options)

    setattr(os, call, fails)


def counting(path, calls):
    """Write how often each of these os functions was called, at the end."""
    counts = dict.fromkeys(calls, 0)
    end = os._exit

    def counted(name, real):
        def call(*arguments, **options):
            counts[name] += 1
            return real(*arguments, **options)

        return call

    def exit_(code):
        Path(path).write_text(json.dumps(counts))
        end(code)

    for name in calls:
        setattr(os, name, counted(name, getattr(os, name)))
    os._exit = exit_


def at_step(number, action, **arguments):
    """Do something after so many steps of this process."""
    from tricktable.runner.training import train

    real, steps = train.step, 0

    def step(*given):
        nonlocal steps
        real(*given)
        steps += 1
        if steps == number:
            ACTIONS[action](**arguments)

    train.step = step


def at_save(number, action, **arguments):
    """Do something when the number-th save of this process has written its tensors."""
    from tricktable.runner.disk import atomic

    real, saves = atomic.crash, 0

    def crash(point):
        nonlocal saves
        real(point)
        saves += point == "after-tensors"
        if point == "after-tensors" and saves == number:
            ACTIONS[action](**arguments)

    atomic.crash = crash


def at_evaluation(number, action, **arguments):
    """Do something when the number-th evaluation of this process begins."""
    from tricktable.runner.training import train

    real, times = train.figures_of, 0

    def figures_of(*given):
        nonlocal times
        times += 1
        if times == number:
            ACTIONS[action](**arguments)
        return real(*given)

    train.figures_of = figures_of


def clock(jumps):
    """Wall-clock time jumps by these seconds, one after another, each time that it is asked for."""
    import datetime

    from tricktable.runner.disk import rundir

    real, asked = time.time, 0

    def jumping():
        nonlocal asked
        asked += 1
        return max(0.0, real() + jumps[asked % len(jumps)])

    time.time = jumping
    rundir._now = lambda: datetime.datetime.fromtimestamp(jumping(), datetime.UTC).isoformat(timespec="seconds")


def late(times):
    """A run's folder that another host made is not seen: so many times by no look, and a list lacks it as often."""
    from tricktable.runner.disk import rundir

    real, left = LATE.setdefault("seen", (os.path.lexists, os.listdir)), [times]

    def lexists(path):
        left[0] -= (hidden := left[0] > 0 and os.path.basename(path)[0] != ".")
        return not hidden and real[0](path)

    rundir.os.path.lexists = lexists if times else real[0]
    rundir.os.listdir = (lambda path: [] if left[0] > 0 else real[1](path)) if times else real[1]


LATE = {}


def stale(times):
    """Each run.json is stale at so many tries to open it, as NFS says while another host replaces it."""
    real, tried = os.open, {}

    def fails(path, flags, *arguments, **options):
        name = str(path)
        if name.endswith("run.json") and not flags & os.O_CREAT:
            tried[name] = tried.get(name, 0) + 1
            if tried[name] % (times + 1):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, flags, *arguments, **options)

    os.open = fails


def refused(*_):
    """What a server answers to a write by a lock whose lease ran out."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _lose_lease():
    os.pwrite = refused  # by which locks alone are written


def _signals(numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def _remove(folder):
    shutil.rmtree(folder)


def _exit(code):
    sys.exit(code)


def _raise(error):
    raise {"MemoryError": MemoryError, "KeyboardInterrupt": KeyboardInterrupt}[error]("injected")


def _kill_workers():
    """As the kernel does that has no memory left."""
    import multiprocessing

    for each in multiprocessing.active_children():
        os.kill(each.pid, signal.SIGKILL)
    time.sleep(0.2)


ACTIONS = {
    "signals": _signals,
    "remove": _remove,
    "exit": _exit,
    "raise": _raise,
    "kill workers": _kill_workers,
    "lose lease": _lose_lease,
}


def rows_forever(path):
    """Append rows to a table until somebody ends it."""
    import itertools

    from tricktable.runner.disk import record

    metrics = record.Metrics(Path(path))
    for i in itertools.count():
        metrics.append({"i": i, "text": "x" * (i % 97), "twice": 2 * i})

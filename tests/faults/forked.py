"""Runs that are forked from a zygote, killed and resumed; and what two runs that are the same have alike."""

import csv
import hashlib
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors import safe_open

from tests.conftest import ROOT, TINY
from tricktable.runner.config.catalogue import attempt
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import PLACES

EVERY = [(place, name) for place in PLACES for name in options(place)]
PATIENCE = 180  # seconds for a run of a second


class Child:
    """A process of a run; `cpu` is its use of the processor so far, in seconds."""

    def __init__(self, zygote, pid, output):
        self.zygote, self.pid, self.output = zygote, pid, output
        self.end = os.pidfd_open(pid)
        self.code = None

    def over(self, seconds=0.0):
        """Whether it has ended, within so many seconds."""
        return bool(select.select([self.end], [], [], seconds)[0])

    @property
    def cpu(self):
        return time.clock_gettime((~self.pid << 3) | 2)  # the clock of another process, as clock_getcpuclockid makes it

    def send(self, number):
        signal.pidfd_send_signal(self.end, number)

    def at_cpu(self, seconds):
        """Wait until it has used so much; whether it still runs then."""
        while not self.over(0.001):
            if self.cpu >= seconds:
                return True
        return False

    def wait(self):
        """Its exit code, negative for a signal."""
        if self.code is None:
            if not self.over(PATIENCE):
                self.send(signal.SIGKILL)
                raise AssertionError(f"it hangs: {self.said}")
            self.code, self.seconds = self.zygote.ask({"reap": self.pid})
            os.close(self.end)
        return self.code

    @property
    def said(self):
        return self.output.read_text(errors="replace")


class Zygote:
    """The other end of zygote.py; `with` it."""

    def __enter__(self):
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT, env={**os.environ, **threads}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert json.loads(self.process.stdout.readline()) == "ready"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def command(self, folder, *arguments, inject=(), **environment):
        """Start `tricktable ...` with this folder as its own; `inject`: (name of injected.py, its arguments)."""
        folder.mkdir(exist_ok=True)
        request = {"arguments": list(map(str, arguments)), "output": str(folder / "said"), "folder": str(folder)}
        pid = self.ask({**request, "inject": list(inject), "environment": environment})
        return Child(self, pid, folder / "said")

    def train(self, folder, overrides, **how):
        return self.command(folder, "train", *overrides, "output.root=outputs", **how)

    def whole(self, folder, overrides):
        """(digest of a run that nobody stops, the seconds of CPU that it took)."""
        child = self.train(folder, overrides)
        assert child.wait() == 0, child.said
        return digest(folder), child.seconds


def tiny(*overrides):
    """These overrides on the tiny config."""
    keys = {each.split("=")[0] for each in overrides}
    return [*(each for each in TINY if each.split("=")[0] not in keys), *overrides]


def trying(place, name, finished):
    """What tries a trick in two epochs of four steps."""
    overrides = shlex.split(attempt(place, name).replace("<run>", str(finished)))
    network = [] if any(o.startswith("model=") for o in overrides) else ["model=resnet8", "model.width=8"]
    return tiny("epochs=2", *network, *overrides)


def run_of(folder):
    """The one run in a folder of outputs, None before there is one."""
    found = list(Path(folder).glob("outputs/*/*/run.json"))
    assert len(found) < 2, found
    return found[0].parent if found else None


def newest(folder):
    """The clock of the newest checkpoint that is whole, None where there is none."""
    for path in sorted(Path(folder).glob("outputs/*/*/checkpoints/step_*/state.json"), reverse=True):
        try:
            return json.loads(path.read_text())["clock"]
        except (OSError, ValueError, KeyError):
            continue
    return None


def digest(folder):
    """Parameters, buffers, optimizer and hook state, the rest of the state, the rows, the summary; no times."""
    run = run_of(folder)
    final = max(
        (run / "checkpoints").glob("step_*[0-9]"), key=lambda path: (path.name.partition(".")[0], "." not in path.name)
    )
    sums = hashlib.sha256()
    with safe_open(final / "tensors.safetensors", "pt") as tensors:
        for name in sorted(tensors.keys()):
            sums.update(name.encode() + tensors.get_tensor(name).numpy().tobytes())
    state = json.loads((final / "state.json").read_text())
    rows = [state.pop("metrics")]
    with open(run / "metrics.csv", newline="") as file:
        rows.append(file.read())
    rows = [
        [{k: v for k, v in r.items() if k != "images_per_second"} for r in csv.DictReader(text.splitlines())]
        for text in rows
    ]
    summary = json.loads((run / "summary.json").read_text())
    same = ("results", "weights_sha256", "updates", "samples", "epochs", "seed", "state", "params", "madds", "data")
    predicted = hashlib.sha256((run / "predicted.json").read_bytes()).hexdigest()
    steps = [row["epoch"] for row in rows[1]]
    assert steps == sorted(set(steps)) and rows[0] == rows[1], "a row is there twice, or missing"
    return sums.hexdigest(), state, rows[1], {name: summary[name] for name in same}, predicted


def left_over(folder):
    """What killed processes left half written in the run's folder."""
    return [*run_of(folder).rglob(".tmp-*")]

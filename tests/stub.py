"""A run that trains nothing: its process leaves behind what a run does, or misbehaves as root/faults.json says by its seed.

`python -S -m tests.stub <root> seed=3` is the run; `python -S -m tests.stub <root> launch 40` launches so many, two at once.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from tricktable.runner.disk import atomic, rundir, runs
from tricktable.runner.disk.info import Identity
from tricktable.runner.disk.summary import Result, Summary
from tricktable.runner.errors import Interrupted, TricktableError

ROOT = Path(__file__).resolve().parents[1]
STUDY = "stubs"


def identity(seed):
    return Identity(hashlib.sha256(str(seed).encode()).hexdigest(), "f" * 64, {})


def folder(root, seed):
    return rundir.find_or_plan(root, STUDY, "stub", identity(seed))


def infos(root):
    """Every run.json by seed, with what the stub adds."""
    found = [
        {"finished": 1, **json.loads(run.files.info.read_bytes()), **own(run.folder)} for run in runs.under(root, STUDY)
    ]
    return {info["seed"]: info for info in found if "seed" in info}


def own(path):
    """What a stub says of itself, beside run.json; one that was killed before its last word finished once at the most."""
    file = path / "stub.json"
    return json.loads(file.read_bytes()) if file.exists() else {}


def add(path, **facts):
    atomic.replace(path / "stub.json", atomic.dump({**own(path), **facts}))


def starts(root):
    """The seeds of all processes so far, in order."""
    path = root / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def job(root, seed):
    from tricktable.runner.launch.outcome import Job

    return Job((f"seed={seed}",), root, STUDY, "stub", identity(seed), f"seed={seed}")


def command(root):
    return [sys.executable, "-S", "-m", "tests.stub", str(root)]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def work(root, seed, fault):
    run = folder(root, seed)
    with run:
        if run.read().state == "complete":  # another process was faster
            return
        add(run.path, seed=seed, gpu=os.environ.get("CUDA_VISIBLE_DEVICES"), began=time.time())
        run.set_state("running", epoch=0, epochs=2)
        misbehave(run, fault)
        time.sleep(0.02)
        result = Result(variant="final", inference="plain", test_error=1.5)
        Summary(id=run.path.name, results=(result,)).write(run.files.summary)
        run.set_state("complete", epoch=2)
        add(run.path, finished=own(run.path).get("finished", 0) + 1, ended=time.time())


def misbehave(run, fault):
    def stop(*_):
        run.set_state("interrupted", reason="saved")
        sys.exit(Interrupted.exit_code)

    if fault == "exception":
        raise RuntimeError("injected")
    if fault == "own words":
        run.set_state("failed", reason="in its own words")
        sys.exit(1)
    if fault == "diverged":
        Summary(id=run.path.name).write(run.files.summary)
        run.set_state("diverged", reason="the loss is not finite")
        sys.exit(4)
    if fault == "memory":
        bytearray(1 << 60)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault in ("exit 0", "exit 1"):
        sys.exit(int(fault[-1]))
    if fault == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)
    if fault == "slow":
        signal.signal(signal.SIGTERM, stop)
        time.sleep(60)
    if fault == "stopped":
        stop()
    if fault == "a while":
        time.sleep(0.8)


def main(root, seed):
    with open(root / "starts", "a") as file:
        file.write(f"{seed}\n")
    path = root / "faults.json"
    fault = json.loads(path.read_text()).get(str(seed)) if path.exists() else None
    if fault == "early":
        sys.exit("warning: nothing good will come of this\ntricktable: no such GPU")
    try:
        work(root, seed, fault)
    except TricktableError as error:
        print(f"tricktable: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def launch(root, number):
    from tricktable.runner.launch.outcome import raise_for
    from tricktable.runner.launch.pool import launch

    try:
        raise_for(launch([job(root, seed) for seed in range(number)], parallel=2, command=command(root)))
    except TricktableError as error:
        print(f"tricktable: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    if sys.argv[2] == "launch":
        launch(Path(sys.argv[1]), int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2].removeprefix("seed=")))

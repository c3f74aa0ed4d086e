"""All that waits for a card: `python -m benchmarks.gpu --minutes 10`, again and again until nothing is left.

The tests that are marked gpu; a recorded step against an eager one (bits, seconds, kernels); seconds an epoch beside a
bare loop; several runs on one card; padded channels; then runs of papers' tables. Rows go to a file as they come. What
is done is not done again, what fails is written down with its reason and passed by, and what the time is too short for
is listed. `--device cpu` tries the command itself, with tiny networks.
"""

import argparse
import contextlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.attempt import ROOT, attempt
from benchmarks.gpu.ledger import Ledger
from benchmarks.gpu.steps import Step, table
from tricktable.runner import machine

OUT = {"cuda": Path("benchmarks/results/gpu.jsonl"), "cpu": Path("build/gpu-trial.jsonl")}
LEAST = 1.0  # seconds below which nothing is begun


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where nothing has failed, 2 where the input is wrong or there is no card, 3 where a step has failed."""
    given = _parser().parse_args(arguments)
    until = time.monotonic() + 60 * given.minutes
    if not 0 < given.minutes < math.inf:
        return _refused(f"--minutes: expected a number above 0, got {given.minutes:g}")
    data = given.data and given.data.resolve()  # steps run where this repository is
    steps = table(given.device, given.jobs, data)
    chosen = [step for step in steps if not given.only or any(_is_of(step, name) for name in given.only)]
    if not chosen:
        names = ", ".join(dict.fromkeys(step.name.partition("/")[0] for step in steps))
        return _refused(f"--only: no step begins with {' or '.join(given.only)}; there are {names}")
    if given.list:
        _listed(chosen)
        return 0
    found = _machine(given.device)
    if found is None or found["card"] is None:
        return _refused("torch finds no GPU here; --device cpu tries this command itself, with tiny networks")
    ledger = Ledger(given.out or ROOT / OUT[given.device], found)
    print(f"{found['card']}, driver {found['driver']}, torch {found['torch']}; rows go to {ledger.path}", flush=True)
    return measure(chosen, ledger, until, given.again)


def measure(steps: Sequence[Step], ledger: Ledger, until: float, again: bool = False) -> int:
    """Make the steps in their order, as far as the time allows; 3 where one has failed, 75 after a signal, else 0.

    What has failed before comes behind what has not been tried, and what takes the rest of the time comes last.
    """
    failed, left, caught = [], [], list[int]()
    known = {step.name: step for step in steps}
    steps = sorted(steps, key=lambda step: (step.open, ledger.failed(step)))
    with machine.when_stopped(caught.append):
        for number, step in enumerate(steps):
            if ledger.done(step) and not again:
                print(f"{step.name}: done before", flush=True)
                continue
            seconds = until - time.monotonic()
            expected = step.seconds * (1.0 if step.open else ledger.pace(known))
            if caught or seconds < max(LEAST, expected):
                left.append(step)
                continue
            sharing = [each for each in steps[number:] if each.open and not ledger.done(each)]
            share = seconds / len(sharing) if step.open and sharing else seconds
            state = _made(step, ledger, share, lambda: bool(caught))
            failed += [step] if state == "failed" else []
            left += [step] if state == "stopped" else []
    if left:
        print(f"left, for the same command again: {', '.join(step.name for step in left)}")
    if failed:
        print(f"failed: {', '.join(step.name for step in failed)}")
    return 75 if caught else 3 if failed else 0


def _made(step: Step, ledger: Ledger, seconds: float, stopped: Callable[[], bool]) -> str:
    """Make a step, with its rows in the ledger and on the screen; how it ended."""
    print(f"{step.name}: about {step.seconds:.0f} s predicted", flush=True)

    def heard(row: dict[str, Any]) -> None:
        ledger.add(step, measured=row)
        print("  " + "  ".join(f"{name} {_short(value)}" for name, value in row.items()), flush=True)

    end = attempt(step, seconds, heard, stopped)
    ledger.add(step, state=end.state, reason=end.reason, seconds=round(end.seconds, 1))
    print(f"  {end.state} after {end.seconds:.0f} s{f': {end.reason}' if end.reason else ''}", flush=True)
    return end.state


def _short(value: object) -> str:
    """A value of a row for a line; a median with its spread as `5.1 (4.9 to 6)`."""
    if isinstance(value, dict):
        median, *others = (_short(each) for each in value.values())
        return f"{median} ({' to '.join(others)})"
    if isinstance(value, list):
        return ", ".join(map(_short, value)) or "–"
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _is_of(step: Step, name: str) -> bool:
    return step.name == name or step.name.startswith(name.rstrip("/") + "/")


def _listed(steps: Sequence[Step]) -> None:
    print(f"{'priority':>8}  {'predicted':>9}  {'budget':>8}  step")
    for step in steps:
        budget = "the rest" if step.open else f"{step.budget:.0f} s"
        print(f"{step.priority:>8}  {step.seconds:>7.0f} s  {budget:>8}  {step.name}")
    print(f"{'together':>8}  {sum(step.seconds for step in steps):>7.0f} s")


def _machine(device: str) -> dict[str, Any] | None:
    """What card.py says, whose process is gone then: this one holds none of a card's memory."""
    command = [sys.executable, "-m", "benchmarks.gpu.card", device]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    with contextlib.suppress(ValueError, IndexError):
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    return None


def _refused(words: str) -> int:
    print(f"benchmarks.gpu: {words}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="stop then; the same command goes on (default 10)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a trial of this command")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"rows are appended to it (default {OUT['cuda']})")
    parser.add_argument("--data", type=Path, metavar="PATH", help="CIFAR-10 for the tables, as data.path has it")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="runs at once of a table (default 4)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STEP", help="these steps: capture epochs/wrn_16_4 ..."
    )
    parser.add_argument("--again", action="store_true", help="also steps that are done")
    parser.add_argument("--list", action="store_true", help="say what the steps are, and do nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Runs of a paper's table: `python -m benchmarks.gpu.tables PAPER/TABLE --budget=paper --gpus=0 --seconds=300`.

It is `tricktable table ... --run` for so many seconds, with a row for each run that ends. The same command goes on.
"""

import argparse
import re
import sys

from benchmarks.gpu.attempt import BEGUN
from benchmarks.gpu.typed import ran, row

ENDED = re.compile(r"\[(\d+)/(\d+)\] (done|diverged|failed): (.*)")


def heard(line: str) -> None:
    """A row for the line that a launch says of a run that has ended."""
    if found := ENDED.fullmatch(line.strip()):
        number, of, state, words = found.groups()
        row(measured="a run", state=state, number=int(number), of=int(of), words=words)


def main() -> int:
    """0 where the table is whole, BEGUN where it goes on, else the command's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--seconds", type=float, default=60.0)
    given, more = parser.parse_known_args()
    code = ran("tricktable", ["table", given.name, "--run", f"--minutes={given.seconds / 60:.3f}", *more], heard)
    return BEGUN if code == BEGUN else code


if __name__ == "__main__":
    sys.exit(main())

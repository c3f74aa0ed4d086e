"""Channels padded to a multiple of 8 beside channels as they are: `python -m benchmarks.gpu.padded compute=gpu`.

Seconds of a step, in rounds that take turns (compute.pad_channels).
"""

import argparse
from functools import partial

from benchmarks import epoch
from benchmarks.gpu.rounds import in_turns, ratio, sizes, spread
from benchmarks.gpu.typed import row


def main() -> None:
    """Print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6_400, help="of a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("overrides", nargs="*")
    given, more = parser.parse_known_args()
    typed = [*given.overrides, *more, *sizes(given.images, given.batch)]
    runs = {name: epoch.make([*typed, f"compute.pad_channels={n}"]) for name, n in (("plain", "null"), ("padded", 8))}
    times = in_turns({name: partial(epoch.seconds, run, bare=False) for name, run in runs.items()}, given.rounds)
    each = {name: spread(found, given.images / given.batch) for name, found in times.items()}
    row(measured="seconds a padded step", precision=runs["plain"].compute.precision, batch=given.batch, **each,
        ratio=ratio(times["padded"], times["plain"]))  # fmt: skip


if __name__ == "__main__":
    main()

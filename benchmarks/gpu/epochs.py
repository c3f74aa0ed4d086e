"""Seconds of an epoch beside a bare eager loop: `python -m benchmarks.gpu.epochs compute=gpu model=wrn_28_10`.

Both train on images that lie on the device (benchmarks/epoch.py), take turns, and have their seconds for so many images
counted up to the 50,000 of CIFAR-10.
"""

import argparse
from functools import partial

from benchmarks import epoch
from benchmarks.gpu.rounds import in_turns, ratio, sizes, spread
from benchmarks.gpu.typed import row

EPOCH = 50_000


def main() -> None:
    """Print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12_800, help="of a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("overrides", nargs="*")
    given, more = parser.parse_known_args()
    typed = [*given.overrides, *more, *sizes(given.images, given.batch)]
    ours, theirs = epoch.make(typed), epoch.make(typed)
    ways = {"ours": partial(epoch.seconds, ours, bare=False), "bare": partial(epoch.seconds, theirs, bare=True)}
    times = in_turns(ways, given.rounds)
    each = {name: spread(found, given.images / EPOCH) for name, found in times.items()}
    row(measured="seconds an epoch", precision=ours.compute.precision, batch=given.batch, images=given.images, **each,
        ratio=ratio(times["ours"], times["bare"]))  # fmt: skip


if __name__ == "__main__":
    main()

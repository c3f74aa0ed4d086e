"""The table of steps: what is measured on a card, in which order, and how long it may take."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CARD = ("compute=gpu",)
SMALL = (
    "compute=cpu", "compute.precision=bf16", "compute.threads=1", "data.n_test=8", "model=resnet8", "model.width=4",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A command that measures; its rows are the lines of its stdout that are JSON.

    Steps with a smaller `priority` come first. `seconds` is how long it is predicted to take, on a card whose pace is
    not known yet; after `budget` seconds it has failed. One that is `open` takes what is left: it is told how many
    seconds that is, goes on where it was in a later call, and is done when it says so.
    """

    name: str
    priority: int
    seconds: float
    command: tuple[str, ...]
    budget: float = 0.0
    open: bool = False


def table(device: str, jobs: int, data: Path | None) -> list[Step]:
    """The steps of a card; on the CPU the same steps with networks so small that this command itself can be tried.

    jobs: runs at once of a paper's table. data: CIFAR-10, as data.path has it.
    """
    steps = [*_of_a_card(jobs, data)] if device == "cuda" else [*_of_a_trial()]
    return sorted(steps, key=lambda step: step.priority)


def _step(name: str, priority: int, seconds: float, arguments: Sequence[str], rest: bool = False) -> Step:
    """A step by its module, which is the first word of its name."""
    command = (sys.executable, "-m", f"benchmarks.gpu.{name.partition('/')[0]}", *arguments)
    return Step(name, priority, seconds, command, budget=4 * seconds + 60, open=rest)


# A network, the images of a round, and the seconds predicted for its step of `capture` and of `epochs` (None: no step).
NETWORKS = (
    ("resnet20", 12_800, 30, 40),
    ("wrn_16_4", 12_800, 35, 45),
    ("wrn_28_10", 6_400, 60, 70),
    ("preact_resnet18", 12_800, 40, None),
    ("pyramidnet110_a48", 6_400, 60, 80),
    ("pyramidnet110_a270", 3_200, 80, 90),
    ("mobilenet_v2_cifar", 12_800, 40, None),
)
PACKED = ((1, 30), (16, 150), (4, 60), (8, 90), (2, 45))  # runs at once, with seconds; those that tell most come first
TABLES = ("smith2018_batch_size/fig5_section52", "liu2020_radam/table1")  # as results/README.md has them


PADDED = (("pyramidnet110_a48", 6_400, 60), ("pyramidnet110_a270", 3_200, 80))  # channels of 21, 26, 31 ...


def _of_a_card(jobs: int, data: Path | None) -> Iterator[Step]:
    yield _step("suite", 10, 90, ["--device", "cuda"])
    for name, images, capture, epoch in NETWORKS:
        given = [f"--images={images}", *CARD, f"model={name}"]
        yield _step(f"capture/{name}", 20, capture, given)
        if epoch is not None:
            yield _step(f"epochs/{name}", 40, epoch, given)
    for name, images, seconds in PADDED:
        yield _step(f"padded/{name}", 45, seconds, [f"--images={images}", *CARD, f"model={name}"])
    for runs, seconds in PACKED:
        typed = ["--gpus=0", *CARD, "model=resnet20", "data.n_train=25600", "epochs=3"]
        yield _step(f"packing/{runs}", 30, seconds, [f"--runs={runs}", *typed])
    for name in TABLES:
        where = [] if data is None else [f"data.path={data}"]
        given = [name, "--budget=paper", "--gpus=0", f"--jobs={jobs}", *CARD, *where]
        yield _step(f"tables/{name}", 50, 60, given, rest=True)


def _of_a_trial() -> Iterator[Step]:
    yield _step("suite", 10, 15, ["--device", "cpu"])
    yield _step("capture/resnet8", 20, 4, ["--images=96", "--rounds=2", "--batch=16", "--bits=8", *SMALL])
    yield _step("epochs/resnet8", 40, 4, ["--images=96", "--rounds=2", "--batch=16", *SMALL])
    small = ["model=pyramidnet110_a48", "model.depth=8", "model.width=5", *SMALL[:-2]]
    yield _step("padded/pyramidnet8", 45, 4, ["--images=96", "--rounds=2", "--batch=16", *small])
    for runs in (1, 2):
        sizes = ["data.n_train=64", "data.size=8", "batch_size=16", "epochs=2"]
        yield _step(f"packing/{runs}", 30, 8, [f"--runs={runs}", *SMALL, *sizes])
    typed = ["--budget=smoke", "--jobs=1", "compute=cpu", "compute.threads=1", "output.root=build/gpu-trial"]
    yield _step("tables/liu2020_radam/sec5.2_warmup", 50, 5, ["liu2020_radam/sec5.2_warmup", *typed], rest=True)

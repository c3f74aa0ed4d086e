"""Images a second of shuffled batches, streamed, packed, in memory: `python -m benchmarks.packed FOLDER [--json FILE]`.

FOLDER is one of train/<class>/<image>, such as Imagenette's. The ways take turns, each in this process alone.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks import written
from tricktable.runner import data, machine
from tricktable.runner.config.compose import compose
from tricktable.runner.data.draw import Split
from tricktable.runner.data.pack import pack
from tricktable.runner.data.split import split

SIZE, BATCH, ROUNDS = 64, 128, 5


def ways(folder: Path, file: Path) -> Mapping[str, Split]:
    """The training images of a folder, and of the file that it is packed into, drawn in each way."""
    images = ["data=image_folder", f"data.path={folder}", f"data.size={SIZE}", "data.workers=0"]
    typed = {
        "streamed": [*images, "data.stream=true"],
        "packed": ["data=packed", f"data.path={file}"],
        "in memory": [*images, "data.stream=false"],
    }
    configs = {name: compose(overrides).data for name, overrides in typed.items()}
    return {name: split(data.load(config), config).train for name, config in configs.items()}


def rate(part: Split, number: int, seed: int) -> float:
    """Images for each second of the processor, of so many in an order of their own."""
    order = torch.randperm(part.n, generator=torch.Generator().manual_seed(seed))[:number]
    batches = [(start, min(start + BATCH, len(order))) for start in range(0, len(order), BATCH)]
    began = time.process_time()
    for _ in part.draw(batches, order):
        pass
    return len(order) / (time.process_time() - began)


def main() -> None:
    """Print a row for each way, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    machine.keep_memory()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "set.safetensors"
        pack(str(arguments.folder), file, SIZE)
        parts = ways(arguments.folder, file)
        rates: dict[str, list[float]] = {name: [] for name in parts}
        for seed in range(ROUNDS):
            for name, part in parts.items():
                rates[name].append(rate(part, BATCH * 8 if part.streamed else part.n, seed))
        megabytes = file.stat().st_size / 1e6
    found = {name: statistics.median(each) for name, each in rates.items()}
    rows: list[written.Row] = [
        {"way": name, "images a second": f"{each:,.0f}", "ratio": round(each / found["streamed"], 1)}
        for name, each in found.items()
    ]
    total = next(iter(parts.values())).n
    compared = (
        f"Batches of {BATCH} in a shuffled order, of {total:,} images as {SIZE}x{SIZE}, by one core; packed they are "
        f"{megabytes:,.0f} MB with the test images, in the system's cache. Medians of {ROUNDS} rounds that took turns."
    )
    written.show("What does packing images give?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()

"""PIL beside torchcodec, and whether their pixels are equal: `python -m benchmarks.decoders FOLDER [--json FILE]`.

FOLDER has JPEG or WebP pictures below it. What is timed ends in a picture of PIL's, which is what crops are cut from:
PIL resizes them, and another's rounding would be another run. Needs torchcodec, which is no part of tricktable.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import written
from tricktable.runner import machine
from tricktable.runner.data import worker

NUMBER, ROUNDS, SIDES = 1000, 5, ((128, 128), (500, 375))
FORMATS = ("JPEG", "WEBP")
Decode = Callable[[bytes], Image.Image]


def by_pil(data: bytes) -> Image.Image:
    """A picture as a stream opens it."""
    return worker.open_image(data, 3)[0]


def by_torchcodec(data: bytes) -> Image.Image:
    """The same picture."""
    from torchcodec.decoders import decode_image

    return Image.fromarray(decode_image(data, mode="RGB").permute(1, 2, 0).contiguous().numpy())


def encoded(pictures: Sequence[bytes], side: tuple[int, int], name: str) -> list[bytes]:
    """Pictures of one size and format, of quality 90."""
    found = []
    for data in pictures:
        file = io.BytesIO()
        by_pil(data).resize(side).save(file, name, quality=90)
        found.append(file.getvalue())
    return found


def rate(decode: Decode, pictures: Sequence[bytes]) -> float:
    """Pictures for each second of the processor."""
    began = time.process_time()
    for data in pictures:
        decode(data)
    return len(pictures) / (time.process_time() - began)


def row(pictures: Sequence[bytes], side: tuple[int, int], name: str) -> written.Row:
    """Both decoders on the same pictures."""
    made = encoded(pictures, side, name)
    equal = sum(np.array_equal(np.asarray(by_pil(data)), np.asarray(by_torchcodec(data))) for data in made)
    pairs = [(rate(by_pil, made), rate(by_torchcodec, made)) for _ in range(ROUNDS)]
    pil, codec = (statistics.median(each) for each in zip(*pairs, strict=True))
    return {
        "pictures": f"{name} {side[0]}x{side[1]}", "PIL, a second": f"{pil:,.0f}",
        "torchcodec, a second": f"{codec:,.0f}", "ratio": round(codec / pil, 2),
        "equal": f"{equal} of {len(made)}",
    }  # fmt: skip


def main() -> None:
    """Print a row for each format and size, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    machine.keep_memory()
    torch.set_num_threads(1)
    files = sorted(path for path in arguments.folder.rglob("*") if path.suffix in (".webp", ".jpg", ".jpeg"))
    pictures = [path.read_bytes() for path in files[:: max(1, len(files) // NUMBER)]]
    rows = [row(pictures[: NUMBER // (1 + 9 * (side != SIDES[0]))], side, name) for name in FORMATS for side in SIDES]
    compared = (
        "From a file's bytes to a picture that PIL resizes, by one core, with memory kept between pictures as runs "
        f"keep it. Medians of {ROUNDS} rounds that took turns; and of how many pictures all pixels are equal."
    )
    written.show("Would torchcodec decode a stream faster?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()

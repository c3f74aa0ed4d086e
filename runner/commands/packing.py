"""pack: a folder of images decoded once, into a file for runs whose images do not fit in memory."""

import argparse
from pathlib import Path

from tricktable.runner import machine
from tricktable.runner.commands.arguments import Commands, add_command


def add(commands: Commands) -> None:
    """Add this command, with its arguments."""
    about = "decode a folder of images once, into a file that need not fit in memory (data=packed)"
    parser = add_command(commands, "pack", pack, about, False)
    parser.add_argument("folder", metavar="FOLDER", help="train/<class>/<image> and test/<class>/<image>")
    parser.add_argument("--size", type=int, required=True, metavar="N", help="the images' side in pixels, as data.size")
    parser.add_argument("--resize", type=int, metavar="N", help="as data.resize: 256 for a size of 224")
    parser.add_argument("--grayscale", action="store_true", help="one channel")
    share = "of a folder that is not split: this share of each class is for testing, 0.2"
    parser.add_argument("--test-share", type=float, metavar="SHARE", help=share)
    parser.add_argument("--split-seed", type=int, default=0, metavar="N", help="draws the test share (0)")
    where = "by default <FOLDER>-<size>.safetensors beside the folder"
    parser.add_argument("--to", type=Path, metavar="FILE", help=where)


def pack(arguments: argparse.Namespace) -> int:
    """A folder of images as one file."""
    machine.import_torch()
    from tricktable.runner.data import pack as packing

    given = arguments.size, arguments.resize, arguments.grayscale, arguments.test_share, arguments.split_seed
    path, made = packing.pack(arguments.folder, arguments.to, *given)
    print(f"{path}: {made}\ntricktable train data=packed data.path={path}")
    return 0

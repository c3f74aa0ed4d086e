"""`tricktable export RUN --to FORMAT`: its arguments, and what it does with them. The formats are in formats.py."""

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.disk.runs import StoredRun
    from tricktable.runner.explore.formats import Trained

ENDINGS = {"safetensors": ".safetensors", "onnx": ".onnx", "torchscript": ".pt"}
WANTED = {"onnx": ("onnx", "onnxscript")}  # packages beyond those of the installation


def arguments(parser: argparse.ArgumentParser) -> argparse.Action:
    """Take what `export` takes, but for overrides; returns the argument that names the run."""
    named = parser.add_argument("name", metavar="RUN", help="a run's folder or id")
    parser.add_argument("--to", choices=tuple(ENDINGS), required=True, help="the format")
    about = "which of its models, as its summary names them (final, ema ...); by default final"
    parser.add_argument("--variant", default="final", help=about)
    parser.add_argument("--output", metavar="FILE", type=Path, help="by default <variant>.<ending> in the run's folder")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    return named


def command(arguments: argparse.Namespace) -> Path:
    """Do what was typed; returns the file."""
    from tricktable.runner.config import compose

    root = Path(compose.compose(arguments.overrides).output.root)
    return export(arguments.name, arguments.to, arguments.variant, arguments.output, arguments.force, root)


def export(text: str, to: str, variant: str, output: Path | None, force: bool, root: Path) -> Path:
    """Write a finished run's network to a file, and return where. BadInput where that cannot be; nothing is written.

    text: the run's folder or id, looked for under `root`.
    """
    missing = [name for name in WANTED.get(to, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(f"--to {to}: {' and '.join(missing)} not installed: pip install 'tricktable[{to}]'")
    from tricktable.runner.disk import atomic, meant
    from tricktable.runner.explore import formats

    run = meant.one(text, root)
    path = output.expanduser() if output else run.folder / f"{variant}{ENDINGS[to]}"
    _check(run, variant, path, force)
    atomic.replace(path, formats.WRITERS[to](_trained(run, variant)))
    return path


def _check(run: "StoredRun", variant: str, path: Path, force: bool) -> None:
    """Say what is wrong with what was typed before anything is computed."""
    known = dict.fromkeys(result.variant for result in run.summary.results)
    if variant not in known:
        raise BadInput(f"--variant {variant}: {run.id} has {', '.join(known)}")
    if not path.parent.is_dir():
        raise BadInput(f"--output {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise BadInput(f"--output {path}: a folder is called so")
    if os.path.lexists(path) and not force:
        raise BadInput(f"{path} is there already; --force writes over it, --output FILE writes elsewhere")


def _trained(run: "StoredRun", variant: str) -> "Trained":
    """The model of a variant. What a run's checkpoint and summary do not have is made again, from its images."""
    from tricktable.runner.explore import reevaluate
    from tricktable.runner.explore.formats import Trained
    from tricktable.runner.training import named

    shape = run.summary.data.shape
    if variant == "final" and shape:
        return Trained(run, variant, named.network(run), tuple(shape))
    built = reevaluate.rebuilt(run, reevaluate.read(["compute=cpu"]))
    models = built.variants[variant]
    if len(models) > 1:
        raise BadInput(f"--variant {variant}: it is {len(models)} models, and a file holds one")
    return Trained(run, variant, models[0], built.splits.train.shape)

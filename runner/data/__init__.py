"""Data: names become arrays here. `load` is the way in, `split.split` carves, `draw` gives batches.

It imports config, and nothing of disk, its neighbour. Nothing heavy is imported here: the processes that decode images
import this package too.
"""

import inspect
import typing
from typing import TYPE_CHECKING, Any

from tricktable.runner.config import roots
from tricktable.runner.config.roots import Code
from tricktable.runner.config.typed import checked
from tricktable.runner.errors import BadInput, suggest

if TYPE_CHECKING:
    from tricktable.runner.config.schema import DataConfig
    from tricktable.runner.data.source import Arrays, Files

_GIVEN = ("path", "download", "stream", "test_share", "split_seed")  # the common keys that a source may ask for


def load(data: "DataConfig") -> "Arrays | Files":
    """The images that `data` names, from runner/data/sources/<name>.py, or data/<name>.py of a folder of plugins.

    BadInput names the key that is wrong; DataProblem, in one line, says what is wrong with what is on disk.
    """
    source = _function(data.name)
    parameters = inspect.signature(source).parameters
    hints = typing.get_type_hints(source)
    given: dict[str, Any] = {key: getattr(data, key) for key in _GIVEN if key in parameters}
    if data.path is not None and "path" not in parameters:
        raise BadInput(f"data.path: {data.name} reads no files of yours; leave it null")
    if data.path is not None and not data.path.isprintable():
        raise BadInput(f"data.path: expected a path that can be printed, got {data.path!r}")
    if data.stream and "stream" not in parameters:
        raise BadInput(f"data.stream: {data.name} is always decoded as a whole; leave it null")
    if data.test_share is not None and "test_share" not in parameters:
        raise BadInput(f"data.test_share: {data.name} has test images of its own; leave it null")
    own = [p for p in parameters if p not in _GIVEN]
    for key, value in data.arguments.items():
        if key not in own:
            raise BadInput(f"unknown key data.{key}{suggest(key, own)}")
        given[key] = checked(f"data.{key}", hints[key], value)
    from tricktable.runner.data.tested import tested

    return tested(source(**given), data)


def known(data: "DataConfig", dataset: str | None = None) -> "tuple[int, tuple[int, int, int], int] | None":
    """(training images, their shape, classes) of a source that says so without being read; None of others.

    `dataset`: which known set (`imagenet`) a source of anybody's images is to be given, where that is known.
    """
    said = _said(data.name)
    if "KNOWN" in said:
        total, shape, classes = said["KNOWN"]
    elif dataset in said.get("SETS", ()) and data.arguments.get("size"):
        total, classes = said["SETS"][dataset]
        shape = (1 if data.arguments.get("grayscale") else 3, *[data.arguments["size"]] * 2)
    else:
        return None
    held_out = round(data.validation * total) if data.validation < 1 else int(data.validation)
    return (data.subset * classes if data.subset else total - held_out), shape, classes


def side(data: "DataConfig") -> "tuple[int, int] | None":
    """Height and width of a source's images, where it says so without being read; else None."""
    said = _said(data.name)
    if "KNOWN" in said:
        height, width = said["KNOWN"][1][1:]
        return height, width
    size = data.arguments.get("size")
    return (size, size) if size else None


def white(data: "DataConfig") -> int:
    """The value of a source's pixels that is white: 255, unless it says another."""
    return int(_said(data.name).get("WHITE", 255))


def _said(name: str) -> dict[str, Any]:
    """What a source's file says of its images without reading them (KNOWN, SETS, WHITE), wherever it lies."""
    return vars(_source(name).module())


def _function(name: str) -> Any:
    """The public function of a source, which has its name."""
    file = _source(name)
    module = file.module()
    if not inspect.isfunction(vars(module).get(name)):
        raise BadInput(f"{file.path}: expected a function {name}, as the file is called")
    return vars(module)[name]


def _source(name: str) -> Code:
    """The file of a source: an identifier that exists as a file in sources/ or a folder of plugins, nothing else."""
    files = [each.path.stem for root in roots.every() for each in root.codes(root.sources)]
    known = sorted(each for each in files if not each.startswith("_"))
    found = roots.source(name) if name in known else None
    if found is None:
        raise BadInput(
            f"data: no source {name!r} here, no data/{name}.py in a folder of --plugins{suggest(name, known)}"
        )
    return found

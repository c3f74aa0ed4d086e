"""`--plugins DIR`, `--config-dir DIR`: folders of one's own, and what is wrong with them in one line.

Each command takes them, wherever they stand on the line, and begins by looking through all that they hold: a file that
would be overlooked, or is not what its place asks for, is an error before anything is done.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tricktable.runner.config import roots
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.roots import Code, Root
from tricktable.runner.errors import BadInput, suggest

PAPERS = ("paper", "table")


def take(parser: argparse.ArgumentParser) -> None:
    """Add the two options to a command's."""
    parser.add_argument(
        "--plugins",
        metavar="DIR",
        action="append",
        default=[],
        help="tricks, models, data sources and papers of your own: tricks/<place>/, models/, data/ and their configs/; "
        "may be given again (docs/add-a-trick.md)",
    )
    parser.add_argument(
        "--config-dir",
        metavar="DIR",
        action="append",
        default=[],
        help="options, papers and experiment/NAME.yaml of your own, in folders as in configs/; may be given again",
    )


def named(arguments: Sequence[str]) -> list[str]:
    """Take such folders from a command line and look through them; what is left of it. BadInput, one line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    take(parser)
    try:
        found, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise BadInput(str(error).removeprefix("argument ")) from None
    roots.add(found.plugins, found.config_dir)
    for root in roots.own():
        check(root)
    return rest


def check(root: Root) -> None:
    """Look through a folder of one's own. BadInput for what cannot be used, or would not be found."""
    from tricktable.runner.config.options import ENGINE, EXPERIMENT, GROUPS

    files = sorted(root.configs.glob("*/*.yaml"))
    codes = [*_codes(root)]
    if not files and not codes and not [*root.configs.glob("table/*/*.yaml")]:
        what = "configs/ with tricks/, models/ or data/" if root.package else "<group>/<option>.yaml"
        raise BadInput(f"{root.path}: expected {what}, found none")
    for path in sorted(root.configs.glob("*.yaml")):
        raise BadInput(
            f"{path}: it would not be read; options lie in their group's folder, whole configs in {EXPERIMENT}/"
        )
    known = (*GROUPS, ENGINE, EXPERIMENT, *PAPERS)
    for path in (*files, *sorted(root.configs.glob("table/*/*.yaml"))):
        name = str(path.relative_to(root.configs))
        group = name.partition("/")[0]
        if group not in known:
            raise BadInput(f"{path}: no group is called {group}{suggest(group, known)}")
        _check_name(path, (each.configs / name for each in _before(root)))
        if group not in PAPERS:
            _check_option(path, group)
    for code in codes:
        _check_code(code)


def _before(root: Root) -> Sequence[Root]:
    """The roots in which a name would be found first."""
    every = roots.every()
    return every[: every.index(root)]


def _check_name(path: Path, others: Iterator[Path]) -> None:
    if not re.fullmatch(r"\w[\w.]*", path.stem, re.ASCII):
        raise BadInput(f"{path}: expected a name of letters, digits and _")
    for other in others:
        if other.is_file():
            raise BadInput(f"{path}: the name {path.stem} is taken by {other}; choose another")


def _check_option(path: Path, group: str) -> None:
    """An option's YAML: it can be read, says its package where its place is a list, and names a file that exists."""
    from tricktable.runner.config import loading, reader

    with reader.in_file(str(path)):
        values = loading.load(path)
        if not isinstance(values, dict):
            raise BadInput("expected a mapping, such as name: and the arguments with their defaults")
        if group not in (*PLACES, "model", "data"):
            return
        if group in PLACES and PLACES[group].many:
            package = f"# @package {group}.{path.stem}"
            if not path.read_text(encoding="utf-8").startswith(f"{package}\n"):
                raise BadInput(f"expected the first line {package}, as at every place that takes a list")
            if values.get("name") != path.stem:
                raise BadInput(f"name: expected {path.stem}, as at every place that takes a list")
        name = _maker(group, path)
        if _code_of(group, name) is None:
            folder = "models" if group == "model" else "data" if group == "data" else f"tricks/{group}"
            raise BadInput(f"name: there is no {folder}/{name}.py, here or in tricktable")


def _maker(group: str, path: Path) -> str:
    from tricktable.runner.config.options import made_by

    try:
        return made_by(group, path.stem)
    except FileNotFoundError as error:
        missing = Path(error.filename).stem
        raise BadInput(f"defaults: no option of {group} is called {missing}") from None
    except RecursionError:
        raise BadInput("defaults: they go in a circle") from None


def _code_of(group: str, name: str) -> Code | None:
    if group == "data":
        return roots.source(name)
    return roots.code(f"models/{name}.py" if group == "model" else f"tricks/{group}/{name}.py")


def _codes(root: Root) -> Iterator[Code]:
    """The files of code that a config may name."""
    folders = [path.relative_to(root.path) for path in sorted(root.path.glob("tricks/*")) if path.is_dir()]
    for folder in ("tricks", *map(str, folders), "models", root.sources) if root.package else ():
        yield from (each for each in root.codes(folder) if not each.path.name.startswith("_"))


def _check_code(code: Code) -> None:
    """A trick, model or data source: it lies at a place, its name is free, and an option names it."""
    from tricktable.runner.config.options import made_by, options

    folder, _, place = str(Path(code.name).parent).partition("/")
    group = {"models": "model", "data": "data"}.get(folder, place)
    if group not in (*PLACES, "model", "data"):
        said = f"no place is called {place}{suggest(place, PLACES)}" if place else "a trick lies in its place's folder"
        raise BadInput(f"{code.path}: {said}")
    if not code.path.stem.isidentifier():
        raise BadInput(f"{code.path}: expected a name of letters, digits and _")
    others = _before(code.root)
    names = (f"{each.sources}/{code.path.name}" if folder == "data" else code.name for each in others)
    _check_name(code.path, (each.path / name for each, name in zip(others, names, strict=True)))
    if code.path.stem not in {made_by(group, name) for name in options(group)}:
        raise BadInput(f"{code.path}: no option names it; add configs/{group}/{code.path.stem}.yaml beside it")

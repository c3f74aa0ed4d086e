"""Names become objects: nowhere else, and in one way.

`configs/<place>/<x>.yaml` names a file under tricks/<place>/ (or models/), and that file defines one public class or
function. Nothing else can be named: a config, from whomever, reaches only what this tree holds.
"""

import ast
import functools
import hashlib
import importlib
import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tricktable.runner.config.places import PLACES, Place
from tricktable.runner.config.schema import Config, Option
from tricktable.runner.config.typed import checked
from tricktable.runner.errors import BadInput, nearest, suggest
from tricktable.runner.training.rehearse import called

ROOT = Path(__file__).resolve().parents[2]


def file_of(folder: str, name: str) -> Path:
    """Return the file that an option's name stands for. BadInput unless it is an identifier that exists there."""
    path = ROOT / folder / f"{name}.py"
    if not name.isidentifier() or name.startswith("_") or not path.is_file():
        known = sorted(p.stem for p in (ROOT / folder).glob("[!_]*.py"))
        raise BadInput(f"{folder.rpartition('/')[2]}: no file {folder}/{name}.py{nearest(name, known)}")
    return path


def target(folder: str, name: str) -> Any:
    """Return the one public class or function that an option's file defines."""
    module = importlib.import_module(f"tricktable.{folder.replace('/', '.')}.{file_of(folder, name).stem}")
    public = [
        value
        for key, value in vars(module).items()
        if not key.startswith("_") and _is_definition(value) and value.__module__ == module.__name__
    ]
    assert len(public) == 1, f"{folder}/{name}.py must define one public class or function, and defines {len(public)}"
    return public[0]


def _is_definition(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def hints(definition: Any) -> dict[str, Any]:
    """Return the types of the arguments of a class or function, by their names."""
    return typing.get_type_hints(definition.__init__ if inspect.isclass(definition) else definition)


def run_arguments(place: str, option: Option) -> list[str]:
    """Return which arguments of a trick name a run or weights: those that can be a network, and were typed as text."""
    types = hints(target(f"tricks/{place}", option.name))
    return [
        key
        for key, value in option.arguments.items()
        if isinstance(value, str) and nn.Module in (types.get(key), *typing.get_args(types.get(key)))
    ]


def files(config: Config) -> dict[str, str]:
    """Return the SHA-256 of each file of models/ and tricks/ that a config uses."""
    paths = [file_of("models", config.model.name), *(ROOT / "models").glob("_[!_]*.py")]
    tricks = [file_of(f"tricks/{place}", option.name) for place, option in _options(config)]
    paths += [*tricks, *(path for trick in tricks for path in shared(trick))]
    return {str(p.relative_to(ROOT)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(set(paths))}


def shared(trick: Path) -> Iterator[Path]:
    """Yield what a trick's file shares with its family: the files with an underscore beside it that it imports."""
    for node in ast.walk(ast.parse(trick.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            path = ROOT / f"{node.module.removeprefix('tricktable.').replace('.', '/')}.py"
            if path.parent == trick.parent and path.name.startswith("_"):
                yield path


def _options(config: Config) -> Iterator[tuple[str, Option]]:
    """Yield every trick of a config with its place, those inside others (a schedule's `then`) included."""
    for place in PLACES:
        chosen = getattr(config, place)
        several = chosen.values() if isinstance(chosen, Mapping) else chosen if isinstance(chosen, tuple) else [chosen]
        for option in several:
            yield from ((place, each) for each in _nested(option))


def _nested(option: Option | None) -> Iterator[Option]:
    """Yield an option, and those among its arguments (a schedule's `then`)."""
    if option is not None:
        yield option
        for argument in option.arguments.values():
            yield from _nested(argument) if isinstance(argument, Option) else ()


def _where(place: str, option: Option, within: str | None) -> str:
    return within or (f"{place}.{option.name}" if place in PLACES and PLACES[place].many else place)


def make(place: str, option: Option, within: str | None = None, **given: Any) -> Any:
    """Make the object of an option: instantiate its class, or bind the arguments of its function or factory.

    `given` are arguments that the runner adds where the signature has them. BadInput names the key that is wrong.
    """
    where = _where(place, option, within)
    definition = target("models" if place == "model" else f"tricks/{place}", option.name)
    parameters = inspect.signature(definition).parameters
    types = hints(definition)
    arguments: dict[str, Any] = {k: v for k, v in given.items() if k in parameters}
    for key, value in option.arguments.items():
        if key not in parameters or key in given:
            known = [p for p in parameters if p not in given]
            raise BadInput(f"unknown key {where}.{key}{suggest(key, known)}")
        if isinstance(value, nn.Module) or _is_weights(value):
            arguments[key] = value
        elif isinstance(value, Option):
            arguments[key] = make(place, value, f"{where}.{key}", **given)
        else:
            arguments[key] = checked(f"{where}.{key}", types.get(key, Any), value)
    if _is_the_object(definition, PLACES.get(place)):
        return functools.partial(definition, **arguments)
    return called(where, definition, **arguments)


def _is_weights(value: Any) -> bool:
    """Whether a value is what a file of weights is given as."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(each, Tensor) for each in value.values())


def _is_the_object(definition: Any, place: Place | None) -> bool:
    """Whether a class or function is itself what stands at the place, and not what it makes.

    A seam's factory is, for the network calls it; a function is, unless the place is one whose functions make the
    object. A network has no place: it is what its class makes.
    """
    if place is None or place.maker:
        return False
    return place.factory or not inspect.isclass(definition)


def several(place: str, options: Iterable[Option], **given: Any) -> dict[str, Any]:
    """Return the objects of a place that takes a list, by their names."""
    return {option.name: make(place, option, **given) for option in options}

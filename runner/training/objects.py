"""Names become objects: nowhere else, and in one way.

`configs/<place>/<x>.yaml` names a file under tricks/<place>/ (or models/), and that file defines one public class or
function. Nothing else can be named: a config, from whomever, reaches only what this tree holds, and what the person who
types names with --plugins.
"""

import ast
import functools
import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tricktable.runner.config import roots
from tricktable.runner.config.places import PLACES, Place
from tricktable.runner.config.roots import Code
from tricktable.runner.config.schema import Config, Option
from tricktable.runner.config.typed import checked
from tricktable.runner.errors import BadInput, nearest, suggest
from tricktable.runner.training.rehearse import called


def file_of(folder: str, name: str) -> Code:
    """Return the file that an option's name stands for. BadInput unless it is an identifier that exists there."""
    found = roots.code(f"{folder}/{name}.py") if name.isidentifier() and not name.startswith("_") else None
    if found is None:
        files = (each.path.stem for root in roots.every() for each in root.codes(folder))
        near = nearest(name, sorted(each for each in files if not each.startswith("_")))
        place = folder.rpartition("/")[2]
        raise BadInput(f"{place}: no file {folder}/{name}.py here or in a folder of --plugins{near}")
    return found


def target(folder: str, name: str) -> Any:
    """Return the one public class or function that an option's file defines."""
    file = file_of(folder, name)
    module = file.module()
    public = [
        value
        for key, value in vars(module).items()
        if not key.startswith("_") and _is_definition(value) and value.__module__ == module.__name__
    ]
    if len(public) != 1:
        names = ", ".join(value.__name__ for value in public) or "none"
        raise BadInput(f"{file.path}: expected one public class or function, found {names}; others begin with _")
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
    """Return the SHA-256 of each file of models/ and tricks/ that a config uses, and of a data source of one's own.

    Names are relative to the folder that a file was found in, so that it may lie anywhere. BadInput where two are one.
    """
    model, source = file_of("models", config.model.name), roots.source(config.data.name)
    tricks = [file_of(f"tricks/{place}", option.name) for place, option in _options(config)]
    parts = {each for root in (roots.PACKAGE, model.root) for each in root.codes("models") if _is_shared(each)}
    used = {*parts, model, *tricks, *([source] if source and source.is_own else [])}
    used |= {each for file in [*used] for each in shared(file)}
    digests: dict[str, str] = {}
    for file in sorted(used, key=lambda each: (each.name, each.path)):
        if digests.setdefault(file.name, file.digest) != file.digest:
            raise BadInput(f"{file.path}: this run uses another file called {file.name}, too; rename this one")
    return digests


def _is_shared(file: Code) -> bool:
    return file.path.name.startswith("_") and file.path.stem != "__init__"


def shared(file: Code) -> Iterator[Code]:
    """Yield what a file of code shares with its family: what it imports from models/, tricks/ or beside it."""
    seen = {file}
    waiting = [file]
    while waiting:
        for each in _imported(waiting.pop()):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
                yield each


@functools.lru_cache(maxsize=1024)
def _imports(text: str) -> tuple[ast.ImportFrom, ...]:
    """Return the imports of names in a file with this text; a study's runs use the same few files."""
    return tuple(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))


def _imported(file: Code) -> Iterator[Code]:
    """Yield the files of its root, or of the package's models/ and tricks/, that a file imports."""
    for node in _imports(file.path.read_text(encoding="utf-8")):
        if node.level:  # `from ._shared import x`, `from . import _shared`
            root, folder = file.root, [*Path(file.name).parent.parts][: None if node.level == 1 else 1 - node.level]
        elif (node.module or "").startswith(("tricktable.models", "tricktable.tricks")):
            root, folder = roots.PACKAGE, []
        else:
            continue
        module = [*folder, *(node.module or "").removeprefix("tricktable.").split(".")]
        for parts in (module, *([*module, alias.name] for alias in node.names)):
            if found := root.code(f"{'/'.join(filter(None, parts))}.py"):
                yield found


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

"""Where things are found: the package's own folder, then the folders of one's own (--plugins, --config-dir).

Only the command line and the environment name such folders, and never a config: a run's config.yaml comes from anybody.
The environment hands them on to the processes that a command starts. check.py says what is wrong with what is in them.
"""

import hashlib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tricktable.runner.errors import BadInput

PLUGINS, CONFIG_DIR = "TRICKTABLE_PLUGINS", "TRICKTABLE_CONFIG_DIR"  # paths, separated as in PATH


@dataclass(frozen=True)
class Root:
    """A folder with configs and, unless it holds these alone, the code that they name.

    `configs`: the groups' folders are in it. `sources`: the data sources' folder, below `path`. `package`: the modules'
    names begin with it; None where there is no code. Tricks and models lie in tricks/<place>/ and models/.
    """

    path: Path
    configs: Path
    sources: str
    package: str | None

    def code(self, name: str) -> "Code | None":
        """The file of this name (tricks/augment/crop.py), if it is here."""
        return Code(self, name) if self.package and (self.path / name).is_file() else None

    def codes(self, folder: str) -> Iterator["Code"]:
        """The files of code in a folder, in order."""
        for path in sorted((self.path / folder).glob("*.py")) if self.package else ():
            yield Code(self, f"{folder}/{path.name}")


@dataclass(frozen=True)
class Code:
    """A file of code. `name` is relative to its root, and so the same wherever that lies."""

    root: Root
    name: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root.path / self.name

    @property
    def digest(self) -> str:
        """Its SHA-256."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def is_own(self) -> bool:
        """Whether it is one's own, and not the package's."""
        return self.root != PACKAGE

    def module(self) -> ModuleType:
        """Import it. BadInput where a file of one's own raises."""
        name = f"{self.root.package}.{self.name.removesuffix('.py').replace('/', '.')}"
        if not self.is_own:
            return importlib.import_module(name)
        _open(self.root)
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise BadInput(f"{self.path}: it cannot be imported: {type(error).__name__}: {error}") from error


HERE = Path(__file__).resolve().parents[2]
PACKAGE = Root(HERE, HERE / "configs", "runner/data/sources", "tricktable")


def every() -> tuple[Root, ...]:
    """The package's own, then one's own in the order that they were named."""
    return (PACKAGE, *own())


def own() -> tuple[Root, ...]:
    """The roots that the environment names. BadInput for one that is no folder."""
    plugins = [_plugins(path) for path in _folders(PLUGINS)]
    return (*plugins, *(Root(path, path, "", None) for path in _folders(CONFIG_DIR)))


def add(plugins: Sequence[str], configs: Sequence[str]) -> None:
    """Name folders as from the command line, behind what the environment names: here, and for what is started here."""
    for variable, typed in ((PLUGINS, plugins), (CONFIG_DIR, configs)):
        for each in typed:
            if os.pathsep in each:
                raise BadInput(f"{each}: a folder's path cannot have {os.pathsep} in it, which separates several")
        paths = dict.fromkeys([*_folders(variable), *(_folder(each) for each in typed)])
        if paths:  # absolute, for whoever starts in another folder
            os.environ[variable] = os.pathsep.join(map(str, paths))


def config(name: str) -> Path:
    """The file of this name below configs/, of the first root that has it; where none has, the package's."""
    found = (root.configs / name for root in every())
    return next((path for path in found if path.is_file()), PACKAGE.configs / name)


def configs(group: str) -> Iterator[Path]:
    """The YAML files of a group, root by root."""
    for root in every():
        yield from sorted((root.configs / group).glob("*.yaml"))


def is_own(name: str) -> bool:
    """Whether a file below configs/ is one's own."""
    return not config(name).is_relative_to(PACKAGE.configs)


def code(name: str) -> Code | None:
    """The file of this name, of the first root that has it."""
    return next((found for root in every() if (found := root.code(name))), None)


def source(name: str) -> Code | None:
    """The file of a data source, of the first root that has it."""
    return next((found for root in every() if (found := root.code(f"{root.sources}/{name}.py"))), None)


def _folders(variable: str) -> list[Path]:
    return [_folder(text) for text in os.environ.get(variable, "").split(os.pathsep) if text]


def _folder(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise BadInput(f"{text}: there is no such folder (--plugins and --config-dir name folders of your own)")
    return path


def _plugins(path: Path) -> Root:
    """A folder of plugins. Its modules' names tell it from every other, and are no names of the package's.

    They lie below this module: a process that was started afresh and is sent an object of theirs imports it, and has
    them.
    """
    return Root(path, path / "configs", "data", f"{__name__}.p{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}")


def _open(root: Root) -> None:
    """Have a root's modules be found below its package, by path."""
    assert root.package
    if root.package not in sys.modules:
        package = ModuleType(root.package, f"The plugins in {root.path}.")
        package.__path__ = [str(root.path)]
        sys.modules[root.package] = package


for _text in filter(None, os.environ.get(PLUGINS, "").split(os.pathsep)):
    _open(_plugins(Path(_text).expanduser().resolve()))

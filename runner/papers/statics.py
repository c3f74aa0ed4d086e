"""A paper's static facts, decided without training: counts, updates, knobs at a time, equations that a test asserts.

configs/table/<paper>/_static.yaml says how, for each fact, or for each key of one whose value is a mapping:

    {count: params, of: [model=resnet20]}                   parameters or madds of a network
    {updates: [noise=hybrid, epochs=200], images: 50000}    steps of a run
    {knob: lr, at: 12.5, of: [...], images: 50000}          a knob, or what the knobs come to, at a time in epochs
    {test: tests/tricks/norm/test_group.py::test_name}      the equation, asserted by a test
    a text                                                  why nothing decides it

with `expect` where the number stands within a text, `tolerance` (relative), and `misprint` where the printed number is
wrong.
"""

import ast
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tricktable.runner.config import CONFIGS, loading, reader
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Override
from tricktable.runner.config.reader import key
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.explore import networks
from tricktable.runner.papers import facts, recipe
from tricktable.runner.training.knobs import Knobs

Verdict = Literal["equal", "contradicted", "misprint", "asserted by a test", "not decided"]


@dataclass(frozen=True, kw_only=True)
class Computed(ABC):
    """What comes to a number. expect: the paper's, where it stands within a text. tolerance: relative."""

    expect: int | float | None = None
    tolerance: float = key(low=0, default=0.0)
    misprint: str | None = None

    @abstractmethod
    def ours(self) -> tuple[float, str]:
        """Our number, and the command that gives it."""


@dataclass(frozen=True, kw_only=True)
class Count(Computed):
    """Parameters or madds of a network. input (C H W) and classes: where they are not the model's own."""

    count: Literal["params", "madds"]
    of: tuple[Override, ...]
    input: tuple[int, int, int] | None = None
    classes: int | None = key(low=1, default=None)

    def ours(self) -> tuple[float, str]:
        """Of the network that `tricktable count` prints."""
        return counts(self.of, self.input, self.classes)[self.count], f"tricktable count {' '.join(self.of)}"


@dataclass(frozen=True, kw_only=True)
class Updates(Computed):
    """Steps of a run over so many training images."""

    updates: tuple[Override, ...]
    images: int = key(low=1, default=50_000)

    def ours(self) -> tuple[float, str]:
        """Of the whole run that `tricktable schedule` prints."""
        return float(updates(self.updates, self.images)), _schedule(self.updates, self.images)


@dataclass(frozen=True, kw_only=True)
class Knob(Computed):
    """A knob, or what the knobs come to, at a time in epochs."""

    knob: Literal["lr", "batch_size", "momentum", "weight_decay", "noise_scale", "noise_scale_exact", "effective_lr"]
    at: float = key(low=0)
    of: tuple[Override, ...]
    images: int = key(low=1, default=50_000)
    tolerance: float = key(low=0, default=1e-6)

    def ours(self) -> tuple[float, str]:
        """Of the run that `tricktable schedule` prints."""
        knobs = plan(self.of, self.images)[0]
        values = knobs.at(self.at)
        value = {**values, **knobs.scales(values)}[self.knob]
        if value is None:
            raise BadInput(f"{self.knob}: this optimizer has none that is known ({' '.join(self.of)})")
        return float(value), _schedule(self.of, self.images)


@dataclass(frozen=True)
class Asserted:
    """The equation, or the values, are asserted by a test, `file::name`."""

    test: str
    misprint: str | None = None


Check = Count | Updates | Knob | Asserted


@dataclass(frozen=True)
class Decided:
    """A static fact, or one key of it: the paper's value, ours, and the verdict with what it rests on."""

    paper: str
    fact: str
    what: str
    theirs: Any
    ours: float | None
    verdict: Verdict
    reason: str


def decide(paper: str) -> list[Decided]:
    """Every static fact of a paper, each with a verdict; BadInput where _static.yaml does not fit the facts."""
    loaded = facts.load(paper)
    paper, known = loaded.id, loaded.statics
    with reader.in_file(f"configs/table/{paper}/_static.yaml"):
        checks = _checks(recipe.file(f"{paper}/_static"))
        for name in checks:
            if name not in known:
                raise BadInput(f"{paper} has no static fact {name}{suggest(name, known)}")
        return [decided for fact in known.values() for decided in _fact(paper, fact, checks.get(fact.id))]


def _checks(path: Path) -> Mapping[str, Check | str | Mapping[Any, Check | str]]:
    """Of each fact: its check, or why there is none; or both of each key of the fact's value, or of a part of it."""
    if not path.is_file():
        return {}
    checks: Any = reader.value_of("", Mapping[str, Check | str | Mapping[Any, Check | str]], loading.load(path))
    return checks


def _fact(paper: str, fact: facts.Static, check: Check | str | Mapping[Any, Check | str] | None) -> Iterator[Decided]:
    if not isinstance(check, Mapping):
        yield _one(paper, fact.id, fact.what, fact.value, check)
        return
    for part, inner in check.items():
        value = fact.value
        if isinstance(value, Mapping):  # a key may stand for a part of a fact; then `expect` gives the number
            value = value.get(part, f"{part} (a part of {fact.id})")
        yield _one(paper, f"{fact.id}.{part}", fact.what, value, inner)


def _one(paper: str, name: str, what: str, value: Any, check: Check | str | None) -> Decided:
    if check is None or isinstance(check, str):
        return Decided(paper, name, what, value, None, "not decided", check or "nobody has said how")
    if isinstance(check, Asserted):
        _find_test(name, check.test)
        return Decided(paper, name, what, value, None, "asserted by a test", check.test)
    theirs = value if check.expect is None else check.expect
    if isinstance(theirs, Mapping) and "value" in theirs:
        theirs = theirs["value"]
    if isinstance(theirs, bool) or not isinstance(theirs, int | float):
        raise BadInput(f"{name}: the paper's value is no number; give `expect`")
    ours, command = check.ours()
    equal = math.isclose(ours, theirs, rel_tol=max(check.tolerance, 1e-12), abs_tol=0.0)
    if not equal and check.misprint is not None:
        return Decided(paper, name, what, theirs, ours, "misprint", check.misprint)
    return Decided(paper, name, what, theirs, ours, "equal" if equal else "contradicted", command)


def _schedule(overrides: Sequence[str], images: int) -> str:
    return f"tricktable schedule --images {images} {' '.join(overrides)}"


def counts(
    overrides: tuple[str, ...], shape: tuple[int, int, int] | None = None, classes: int | None = None
) -> dict[str, float]:
    """params and madds of a config's network, at its paper's input and classes unless others are given."""
    counted = networks.cost(compose(overrides), shape, classes)
    return {"params": counted.params, "madds": counted.madds}


@cache
def updates(overrides: tuple[str, ...], images: int) -> int:
    """The steps of a run over so many training images."""
    knobs, epochs = plan(overrides, images)
    return knobs.updates(epochs)


@cache
def plan(overrides: tuple[str, ...], images: int) -> tuple[Knobs, int]:
    """A config's knobs over so many training images, and its epochs."""
    from tricktable.runner.training import build

    config = compose(overrides)
    return build.plan(config, images), config.epochs


def _find_test(where: str, test: str) -> None:
    """A test that is named must exist, where the tests are at hand."""
    path, _, name = test.partition("::")
    file = CONFIGS.parent / path
    if not (CONFIGS.parent / "tests").is_dir():
        return
    if not file.is_file() or name.partition("[")[0] not in _functions(str(file)):
        raise BadInput(f"{where}: there is no test {test}")


@cache
def _functions(path: str) -> frozenset[str]:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


COLUMNS = ("paper", "fact", "theirs", "ours", "verdict", "by")


def cells(each: Decided) -> tuple[str, ...]:
    """A fact's cells, one per column of COLUMNS."""
    ours = "-" if each.ours is None else f"{each.ours:.10g}"
    theirs = f"{each.theirs:.10g}" if isinstance(each.theirs, int | float) else " ".join(str(each.theirs).split())
    theirs = theirs if len(theirs) < 60 else theirs[:57] + "..."
    return each.paper, each.fact, theirs, ours, each.verdict, each.reason


def tally(decided: Sequence[Decided]) -> str:
    """How many facts have each verdict, in words."""
    counted = Counter(each.verdict for each in decided)
    return ", ".join(f"{n} {verdict}" for verdict, n in counted.most_common())


def markdown(decided: Sequence[Decided]) -> str:
    """The facts with their verdicts, for documents."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, decided)]
    rows = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"# Static facts\n\nWritten by `tricktable static --markdown`: {tally(decided)}.\n\n{rows}"

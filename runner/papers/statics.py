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
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from runner.config.compose import CONFIGS, compose
from runner.errors import BadInput
from runner.explore import networks
from runner.papers import facts
from runner.papers.recipe import TABLES
from runner.training.knobs import Knobs

KINDS = ("count", "updates", "knob", "test")
Verdict = Literal["equal", "contradicted", "misprint", "asserted by a test", "not decided"]


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
    known = facts.load(paper).statics
    checks = _checks(paper)
    unknown = [key for key in checks if key not in known]
    if unknown:
        raise BadInput(f"configs/table/{paper}/_static.yaml: {paper} has no static fact {unknown[0]}")
    return [decided for fact in known.values() for decided in _fact(paper, fact, checks.get(fact.id))]


def _checks(paper: str) -> Mapping[str, Any]:
    path = TABLES / paper / "_static.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def _fact(paper: str, fact: facts.Static, check: Any) -> Iterator[Decided]:
    if isinstance(check, Mapping) and not set(check) & set(KINDS):
        for key, inner in check.items():
            value = (
                fact.value.get(key, _missing(paper, fact.id, key)) if isinstance(fact.value, Mapping) else fact.value
            )
            yield _one(paper, f"{fact.id}.{key}", fact.what, value, inner)
    else:
        yield _one(paper, fact.id, fact.what, fact.value, check)


def _missing(paper: str, fact: str, key: str) -> Any:
    """A key may stand for a part of a fact; then `expect` gives the number."""
    return f"{key} (a part of {fact})"


def _one(paper: str, name: str, what: str, value: Any, check: Any) -> Decided:
    if not isinstance(check, Mapping):
        return Decided(paper, name, what, value, None, "not decided", str(check or "nobody has said how"))
    if "test" in check:
        _find_test(check["test"])
        return Decided(paper, name, what, value, None, "asserted by a test", check["test"])
    theirs = check.get("expect", value)
    if isinstance(theirs, Mapping) and "value" in theirs:
        theirs = theirs["value"]
    if isinstance(theirs, bool) or not isinstance(theirs, int | float):
        raise BadInput(f"configs/table/{paper}/_static.yaml: {name}: the paper's value is no number; give `expect`")
    ours, command = _ours(check)
    tolerance = check.get("tolerance", 1e-6 if "knob" in check else 0.0)
    equal = math.isclose(ours, theirs, rel_tol=max(tolerance, 1e-12), abs_tol=0.0)
    if not equal and "misprint" in check:
        return Decided(paper, name, what, theirs, ours, "misprint", check["misprint"])
    return Decided(paper, name, what, theirs, ours, "equal" if equal else "contradicted", command)


def _ours(check: Mapping[str, Any]) -> tuple[float, str]:
    """Our number, and the command that gives it."""
    if "count" in check:
        overrides = tuple(check["of"])
        shape = tuple(check["input"]) if "input" in check else None
        counted = counts(overrides, shape, check.get("classes"))
        return counted[check["count"]], f"tricktable count {' '.join(overrides)}"
    images = check.get("images", 50_000)
    overrides = tuple(check["updates"] if "updates" in check else check["of"])
    command = f"tricktable schedule --images {images} {' '.join(overrides)}"
    if "updates" in check:
        return float(updates(overrides, images)), command
    knobs = plan(overrides, images)[0]
    values = knobs.at(float(check["at"]))
    return float({**values, **knobs.scales(values)}[check["knob"]]), command


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
    from runner.training import build

    config = compose(overrides)
    return build.plan(config, images), config.epochs


def _find_test(test: str) -> None:
    """A test that is named must exist, where the tests are at hand."""
    path, _, name = test.partition("::")
    file = CONFIGS.parent / path
    if not (CONFIGS.parent / "tests").is_dir():
        return
    if not file.is_file() or name.partition("[")[0] not in _functions(str(file)):
        raise BadInput(f"_static.yaml: there is no test {test}")


@cache
def _functions(path: str) -> frozenset[str]:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


COLUMNS = ("paper", "fact", "theirs", "ours", "verdict", "by")


def cells(each: Decided) -> tuple[str, ...]:
    """A fact's cells, one a column of COLUMNS."""
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

"""`tricktable atlas FILE`: tricks, each alone and every two together, written down as a study is (study_file.py).

    study: small_atlas        # where its runs lie, outputs/<study>; left out: the file's name
    n: 5                      # seeds of each cell: 0, 1, 2, 3, 4
    shared: [data=digits, model=resnet8, 'augment=[crop]', epochs=10]      # the base
    tricks:
      flip: ['augment=[flip]']
      mixup: ['augment=[mixup]', augment.mixup.alpha=0.4]
      label smoothing: [loss=label_smoothing]

The base, each trick and each pair are a study's rows. What a trick chooses of a place that takes several (augment,
penalty ...) is added to what the base has there; any other key replaces the base's. Two tricks that set one key
differently, or that a run refuses together, are no pair, and the atlas says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from tricktable.runner.config import compose, grammar, options, reader
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.config.reader import key
from tricktable.runner.disk import config_file
from tricktable.runner.errors import BadInput
from tricktable.runner.launch import sweep
from tricktable.runner.papers import study_file
from tricktable.runner.papers.study_file import StudyFile

BASE = "base"
AND = " + "  # between the tricks of a pair, in a row's label
Members = tuple[str, ...]  # of a cell: the tricks, none of the base


@dataclass(frozen=True, kw_only=True)
class AtlasFile:
    """An atlas as it was written down. `path` is given; the other fields stand in the file."""

    path: Path
    n: int = key(low=2, high=10_000)
    tricks: Mapping[str, tuple[Override, ...]]
    shared: tuple[Override, ...] = ()
    study: str | None = None

    @property
    def cells(self) -> tuple[Members, ...]:
        """The base, the single tricks, and every pair in the file's order."""
        return ((), *((trick,) for trick in self.tricks), *combinations(self.tricks, 2))


@dataclass(frozen=True)
class Planned:
    """The atlas's cells as a study's rows, by label; and why other pairs can be none."""

    study: StudyFile
    rows: Mapping[Members, str]
    refused: Mapping[Members, str]


def read(path: Path) -> AtlasFile:
    """An atlas's file; BadInput, with the file's name, where it cannot be one."""
    values = config_file.values(path)
    with reader.in_file(str(path)):
        found = reader.read(AtlasFile, values, path=path)
        if len(found.tricks) < 2:
            raise BadInput("tricks: expected at least two, name: [key=value, ...]")
        study_file.check_layers({"shared": found.shared, **{f"tricks.{k}": v for k, v in found.tricks.items()}})
        for trick, layer in found.tricks.items():
            if trick == BASE or AND in trick:
                raise BadInput(f"tricks.{trick}: {BASE} and {AND.strip()} between words are an atlas's own; rename it")
            if not layer:
                raise BadInput(f"tricks.{trick}: expected at least one key=value")
    return found


def plan(atlas: AtlasFile, typed: Sequence[str] = ()) -> Planned:
    """Try every cell out; BadInput where the base or a single trick cannot be run, and nothing is made.

    `typed` stands behind what the file shares, and wins over that.
    """
    study_file.check_typed(atlas.path, typed)
    base = config_file.begun([*Overrides(atlas.shared).updated(typed)])
    rows: dict[str, tuple[Override, ...]] = {}
    labels: dict[Members, str] = {}
    refused: dict[Members, str] = {}
    for members in atlas.cells:
        where = f"tricks.{members[0]}" if members else "shared"
        try:
            overrides = _together(base, [(trick, atlas.tricks[trick]) for trick in members])
            _try(overrides)
        except BadInput as error:
            if len(members) < 2:
                raise BadInput(f"{atlas.path}: {where}: {error}") from None
            refused[members] = str(error)
        else:
            label = AND.join(members) or BASE
            labels[members], rows[label] = label, tuple(overrides)
    return Planned(StudyFile(path=atlas.path, n=atlas.n, rows=rows, study=atlas.study), labels, refused)


def _try(overrides: Overrides) -> None:
    config = compose.compose(overrides)
    try:
        sweep.plan([(overrides, config)])
    except BadInput as error:
        raise BadInput(str(error).removeprefix(f"{overrides}: ")) from None


def _together(base: Overrides, tricks: Sequence[tuple[str, tuple[Override, ...]]]) -> Overrides:
    """The base with tricks; BadInput where two of them set a key in different ways."""
    whole, by = base, dict[str, tuple[str, Override]]()
    for trick, layer in tricks:
        for override in layer:
            if override.key in options.LISTS:
                whole = whole.updated([_added(whole, override)])
                continue
            other, before = by.setdefault(override.key, (trick, override))
            if before.value != override.value:
                raise BadInput(f"both set {override.key}: {before.value} for {other}, {override.value} for {trick}")
            whole = whole.updated([override])
    return whole


def _added(whole: Overrides, override: Override) -> Override:
    """A choice of a place that takes several, with what is chosen there already before it."""
    place = override.key
    there = whole.get(place)
    before = _names(Override(f"{place}={there}")) if there is not None else list(options.defaults().get(place) or ())
    names = dict.fromkeys([*before, *_names(override)])
    return Override(f"{place}=[{','.join(names)}]")


def _names(override: Override) -> list[str]:
    value = grammar.typed([override])[0].value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadInput(f"{override}: expected a list of names, such as {override.key}=[a,b]")
    return value

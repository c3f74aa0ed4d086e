"""`tricktable study FILE`: a whole study in one YAML file: rows with their overrides, seeds, and its table.

    study: mixup_on_pets      # where its runs lie, outputs/<study>; left out: the file's name
    n: 3                      # seeds of each row: 0, 1, 2
    baseline: plain           # the row that the others are compared with; left out: the first one
    shared: [data=image_folder, data.path=pets, epochs=30]
    rows:
      plain: []
      crop and flip: ['augment=[crop,flip]']

`shared` and `rows` are as in a recipe (recipe.py): of one key, a row's own override replaces the shared one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tricktable.runner.config import compose, reader
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.config.reader import key
from tricktable.runner.disk import config_file
from tricktable.runner.disk.runs import Runs, StoredRun, under
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.launch import pool, sweep
from tricktable.runner.launch.engines.engine import Engine
from tricktable.runner.launch.outcome import Job, Outcome
from tricktable.runner.papers import studies
from tricktable.runner.papers.measured import MeasuredTable

GIVEN = ("seed", "study")  # what the file says in keys of its own


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study as it was written down. `path` is given; the other fields stand in the file."""

    path: Path
    n: int = key(low=1, high=10_000)
    rows: Mapping[str, tuple[Override, ...]]
    shared: tuple[Override, ...] = ()
    study: str | None = None
    baseline: str | None = None

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.path.stem if self.study is None else self.study

    def overrides(self, label: str, typed: Sequence[str] = ()) -> Overrides:
        """What is typed for a row, but for its seed; `typed` stands behind the file's own, and wins."""
        whole = Overrides(self.shared).updated(self.rows[label]).updated(typed)
        return Overrides([*config_file.begun(whole), f"study={self.name}"])


Made = Sequence[tuple[str, Outcome]]  # what became of each run, with the label of its row


def read(path: Path) -> StudyFile:
    """A study's file; BadInput, with the file's name, where it cannot be one."""
    values = config_file.values(path)
    with reader.in_file(str(path)):
        found = reader.read(StudyFile, values, path=path)
        if not found.rows:
            raise BadInput("rows: expected at least one row, label: [key=value, ...]")
        if found.baseline is not None and found.baseline not in found.rows:
            raise BadInput(f"baseline: no row is called {found.baseline}{suggest(found.baseline, found.rows)}")
        check_layers({"shared": found.shared, **{f"rows.{label}": layer for label, layer in found.rows.items()}})
    return found


def make(
    study: StudyFile,
    typed: Sequence[str] = (),
    *,
    jobs: int | None = None,
    gpus: Sequence[int] = (),
    timeout: float | None = None,
    until: float = math.inf,
    heard: bool = False,
    engine: Engine | None = None,
) -> Made:
    """Make the runs that have not ended yet, as sweep.sweep does; BadInput where one cannot be, and nothing is made.

    until: by the monotonic clock; the rest as `pool.launch`.
    """
    check_typed(study.path, typed)
    labels, points = [], []
    for label in study.rows:
        for seed in range(study.n):
            overrides = Overrides([*study.overrides(label, typed), f"seed={seed}"])
            with reader.in_file(f"{study.path}: rows.{label}"):
                points.append((overrides, compose.compose(overrides)))
            labels.append(label)
    planned = sweep.plan(points, engine)
    _check_different(study, labels, planned)
    titled = [
        replace(job, title=f"{label}, seed {config.seed}")
        for label, job, (_, config) in zip(labels, planned, points, strict=True)
    ]
    outcomes = pool.launch(titled, parallel=jobs, gpus=gpus, timeout=timeout, until=until, heard=heard, engine=engine)
    return list(zip(labels, outcomes, strict=True))


def check_typed(path: Path, typed: Sequence[str]) -> None:
    """BadInput where what was typed behind a file says what the file has keys of its own for."""
    for override in Overrides(typed):
        if override.key in GIVEN:
            raise BadInput(f"{override}: {path} has keys of its own for this: n (seeds) and study")


def check_layers(layers: Mapping[str, Sequence[Override]]) -> None:
    """As `check_typed`, of what the file itself sets, by the place where it stands."""
    for place, layer in layers.items():
        if not place.isprintable():
            raise BadInput(f"{place!r}: expected a label that can be printed")
        for override in layer:
            if override.key in GIVEN:
                raise BadInput(f"{place}: {override}: the file has keys of its own for this: n (seeds) and study")


def _check_different(study: StudyFile, labels: Sequence[str], planned: Sequence[Job]) -> None:
    """BadInput where two rows are the same runs: one of them is not what its label says."""
    of: dict[tuple[str, ...], str] = {}
    for label, job in zip(labels, planned, strict=True):
        other = of.setdefault(job.key, label)
        if other != label:
            raise BadInput(f"{study.path}: rows.{label}: the same runs as {other}; change it, or leave it out")


def tabulate(study: StudyFile, made: Made) -> MeasuredTable | None:
    """The study's table, its rows labelled as in the file; None where no run has ended."""
    found = runs(made)
    groups = by_label(made, found)
    rows = [(label, groups[label]) for label in study.rows if label in groups]
    baseline = study.baseline if study.baseline in groups else None
    table = studies.table_of(study.name, rows, f"tricktable study {study.path}", baseline)
    return studies.accounted(table, found)


def runs(made: Made) -> Runs:
    """All runs of the study, where they lie."""
    first = made[0][1].job
    return under(first.root, first.study)


def by_label(made: Made, found: Runs) -> dict[str, list[StoredRun]]:
    """The runs of each row that have ended and can be used."""
    stored = {run.folder.resolve(): run for run in found}
    groups: dict[str, list[StoredRun]] = {}
    for label, outcome in made:
        run = stored.get(outcome.job.folder().path.resolve())
        if run is not None and run.info.ended and found.whole(run):
            groups.setdefault(label, []).append(run)
    return groups

"""Runs on disk, as those who do not write them see them: that of a folder, or all under an output root."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.config import schema
from tricktable.runner.disk import atomic, checkpoint, code, record, seal
from tricktable.runner.disk.checkpoint import Checkpoint
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.info import RunInfo, State
from tricktable.runner.disk.predicted import Predicted
from tricktable.runner.disk.rundir import NAME, study_folder
from tricktable.runner.disk.seal import Damage
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import CheckpointProblem, StorageProblem

HASH = re.compile(r"[0-9a-f]{8}(-[0-9]{1,9})?")  # how a run's id ends
_ID = re.compile(rf".+-{HASH.pattern}")


@dataclass(frozen=True)
class StoredRun:
    """A run's folder with its run.json as it was read; everything else is read when it is asked for, once.

    StorageProblem where a file is missing or damaged, or is not as it was when the run ended.
    """

    folder: Path
    info: RunInfo

    @property
    def id(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def study(self) -> str:
        """The name of the folder that it lies in."""
        return self.folder.parent.name

    @property
    def state(self) -> State:
        """As run.json had it."""
        return self.info.state

    @property
    def files(self) -> RunFiles:
        """Where its files lie."""
        return RunFiles(self.folder)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.yaml, as plain data; with the label, which every run has."""
        config = record.config_of(self.files.config, self._needed(self.files.config))
        if not isinstance(config.get("label"), str) or type(config.get("seed")) is not int:
            raise seal.broken(self.files.config, "it has no label, or no seed")
        return config

    @cached_property
    def settings(self) -> schema.Config:
        """config.yaml, validated; BadInput where this version knows a key no more."""
        return schema.read(self.config)

    @cached_property
    def summary(self) -> Summary:
        """summary.json."""
        try:
            return Summary.parse(self._needed(self.files.summary))
        except ValueError as error:
            raise seal.broken(self.files.summary, error) from error

    @cached_property
    def predicted(self) -> Predicted | None:
        """predicted.json; None of a run that diverged, or that an earlier version made."""
        return Predicted.read(self.files.predicted)

    @cached_property
    def epochs(self) -> tuple[EpochRow, ...]:
        """The rows of metrics.csv, one per epoch; none where there is no such file."""
        try:
            return tuple(map(EpochRow.of, self._rows(self.files.metrics)))
        except ValueError as error:
            raise seal.broken(self.files.metrics, error) from error

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Its own results, then those of later evaluations."""
        data = self.summary.data
        images = {name: getattr(data, name) for name in ("fingerprint", "dataset", "copy", "complete")}
        own = (Evaluation(**each.plain(), data=data.title, **images) for each in self.summary.results)
        try:
            return (*own, *map(Evaluation.of, self._rows(self.files.evaluations)))
        except (TypeError, ValueError) as error:  # a column is missing, or a word stands for a number
            raise seal.broken(self.files.evaluations, error) from error

    @cached_property
    def damage(self) -> str:
        """What is wrong with the files that tables read, in words, the first of it; nothing where they are whole."""
        try:
            self._look()
        except StorageProblem as error:
            return str(error).removeprefix(f"{self.folder}/")
        return ""

    def _look(self) -> None:
        if self.info.seal:
            for path in self.files.sealed:
                if path.name not in self._seen:
                    seal.found(path, self.info)
            return
        config, summary = self.config, self.summary
        if config["seed"] != summary.seed:
            raise seal.broken(self.files.config, "its seed is not the run's")
        _ = self.epochs, self.evaluations

    @cached_property
    def _seen(self) -> set[str]:
        """The sealed files that were read, and were as they were when the run ended."""
        return set()

    def _needed(self, path: Path) -> bytes:
        data = seal.needed(path, self.info)
        self._seen.add(path.name)
        return data

    def _rows(self, path: Path) -> list[dict[str, record.Value]]:
        data = seal.found(path, self.info)
        self._seen.add(path.name)
        return [] if data is None else record.rows_of(path, data)

    def told(self, evaluation: Evaluation) -> str:
        """What an evaluation of it is of: a variant by an inference, on which other images, of how many runs."""
        words = f"{evaluation.variant}, {evaluation.inference}"
        if evaluation.fingerprint != self.summary.data.fingerprint:
            words += f", on {evaluation.data}"
        return f"{words}, of {len(evaluation.members.split()) + 1} runs" if evaluation.members else words

    def checkpoint(self) -> Checkpoint:
        """Its last checkpoint. CheckpointProblem where there is none, or it is not the end of the run."""
        found = checkpoint.newest(self.files.checkpoints, set_aside=False, refuse=self._of_another)
        if found is None or found.step != self.summary.updates:
            raise CheckpointProblem(terminal.clean(f"{self.folder}: the checkpoint of its last update is not there"))
        return found

    def _of_another(self, found: Checkpoint) -> str:
        return code.of_another(found.state, self.info.identity)


@dataclass(frozen=True)
class Runs:
    """Every run under an output root as it stood when it was read, by study and name.

    `damaged` are folders that have a run.json which does not say which run they hold, or lack one.
    """

    root: Path
    runs: tuple[StoredRun, ...]
    damaged: tuple[Damage, ...] = ()

    def __iter__(self) -> Iterator[StoredRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def of_study(self, study: str) -> "Runs":
        """Those of one study."""
        damaged = tuple(each for each in self.damaged if each.folder.parent.name == study)
        return Runs(self.root, tuple(run for run in self.runs if run.study == study), damaged)

    @cached_property
    def looked_up(self) -> dict[str, StoredRun | None]:
        """What was found in them, by what it was asked for with: a table asks for the same run many times."""
        return {}

    @cached_property
    def met(self) -> dict[Path, Damage]:
        """The damaged ones that `whole` met, by folder."""
        return {}

    def whole(self, run: StoredRun) -> bool:
        """Whether an ended run's files are as they were when it ended; what is not is remembered."""
        if run.damage:
            self.met[run.folder] = Damage(run.folder, run.damage)
        return not run.damage

    @property
    def unusable(self) -> tuple[Damage, ...]:
        """Every damaged folder that is known of so far, by study and name."""
        found = {each.folder: each for each in self.damaged} | self.met
        return tuple(found[folder] for folder in sorted(found))

    @cached_property
    def by_choices(self) -> Mapping[str, list[StoredRun]]:
        """Those that ended, by schema.choices_key; of one key the newest first."""
        found: dict[str, list[StoredRun]] = {}
        for run in sorted(self.runs, key=lambda run: str(run.info.started), reverse=True):
            if run.info.ended and run.info.choices_key:
                found.setdefault(run.info.choices_key, []).append(run)
        return found


def at(folder: Path) -> StoredRun | None:
    """The run of a folder; None where it holds none, or does not say which."""
    info = RunInfo.read(folder)
    return None if info is None else StoredRun(folder, info)


def under(root: Path, study: str | None = None) -> Runs:
    """Every run in <root>/<study>/, of one study or of all. Links are not followed; what else is there is passed over.

    BadInput for a study whose name is hostile, or whose folder is a link.
    """
    studies = [p for p in _folders(root) if NAME.fullmatch(p.name)] if study is None else [study_folder(root, study)]
    runs: list[StoredRun] = []
    damaged = []
    for folder in (run for each in studies for run in _folders(each)):
        found = look(folder)
        if isinstance(found, StoredRun):
            runs.append(found)
        elif found is not None:
            damaged.append(found)
    return Runs(root, tuple(runs), tuple(damaged))


def look(folder: Path) -> StoredRun | Damage | None:
    """A folder's run, or what keeps it from being one; None where no run ever was in it, or it has gone."""
    try:
        return StoredRun(folder, RunInfo.load(folder))
    except (OSError, ValueError) as error:
        files = RunFiles(folder)
        there = any(map(os.path.lexists, (files.info, *files.sealed, files.checkpoints)))
        if not there and not (folder.is_dir() and _ID.fullmatch(folder.name)):
            return None
        words = f"damaged ({atomic.reason(error).removeprefix('ValueError: ')})"
        return Damage(folder, f"run.json: {seal.GONE if isinstance(error, FileNotFoundError) else words}")


def _folders(folder: Path) -> list[Path]:
    """Real folders whose names begin as a run's does, in order."""
    if not folder.is_dir():
        return []
    with atomic.storage(folder), os.scandir(folder) as entries:
        names = [e.name for e in entries if NAME.match(e.name) and e.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names)]

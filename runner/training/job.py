"""One run from its config to its summary: data, build, resume, the loop, what is written, how it may end."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from tricktable.runner import data, machine, sinks, terminal
from tricktable.runner.config import rules, schema
from tricktable.runner.config.abilities import Strides
from tricktable.runner.config.schema import Config
from tricktable.runner.data.draw import watched
from tricktable.runner.data.source import Arrays, Files
from tricktable.runner.data.split import split
from tricktable.runner.disk import atomic, checkpoint, record, rundir, seal
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.info import Identity, State
from tricktable.runner.disk.summary import Result, Summary
from tricktable.runner.errors import BadInput, Diverged, Interrupted, RunFailed, TricktableError
from tricktable.runner.training import compiled, compute, image_size, named, ranks, resume
from tricktable.runner.training.build import build
from tricktable.runner.training.company import Company
from tricktable.runner.training.divergence import Divergence, divergence_of
from tricktable.runner.training.evaluate import predicted
from tricktable.runner.training.objects import files
from tricktable.runner.training.progress import Reporter
from tricktable.runner.training.run import Run
from tricktable.runner.training.summary import of_test_images, summarise
from tricktable.runner.training.train import train


def prepare(config: Config, source: Arrays | Files) -> tuple[Run, Identity]:
    """Build the run; everything that can be wrong with the input shows here, and nothing is written."""
    sinks.check([each.name for each in config.log])
    resolved = compute.resolve(config.compute)
    compute.apply(resolved)
    splits = split(source, config.data, resolved.device)
    run = build(named.given(config, splits, resolved), splits, resolved)
    return run, Identity(config_hash(config), splits.fingerprint, files(config), named.sources(config))


def config_hash(config: Config) -> str:
    """Return the SHA-256 of what is `hashed`."""
    return schema.digest(hashed(config))


def hashed(config: Config, here: bool = True) -> dict[str, Any]:
    """Return the numeric keys, with `compute` as this machine resolves it; `here` as of `compute.resolve`."""
    return {**schema.numeric(named.by_id(config)), "compute": compute.resolve(config.compute, here).identity()}


def execute(config: Config, progress: TextIO | None = None) -> Summary:
    """Train, or continue, or report that it is done: returns the summary. Raises the way the run ended otherwise.

    progress: where its epochs are shown; stderr unless told.
    """
    mine = ranks.place(config.compute.processes, os.environ)
    if mine.rank:
        raise BadInput("compute.processes: one process starts the others; with torchrun or srun, type the command")
    ranks.use_gpu(mine, config.compute.device)
    run, identity = prepare(config, data.load(config.data))
    compute.warn_of_threads(run.compute)
    _warn_of_small_images(run)
    image_size.warn_of_the_end(run)
    folder = rundir.find_or_plan(Path(config.output.root), config.study, config.label, identity)
    if folder.note:
        print(folder.note, file=sys.stderr)
    try:
        with Company(mine) as company:
            summary = _ended(folder)
            if summary is None:
                compiled.rehearse(run)
                with folder.open():  # another process may have ended it in the meantime
                    summary = _ended(folder) or _Job(config, run, folder, progress, company).go()
    except Diverged as error:
        error.folder = folder.path
        raise
    return summary


def _ended(folder: rundir.RunDir) -> Summary | None:
    """The summary of a run that needs no more training; Diverged where that is how it ended.

    None too where its files are not as they were when it ended: it is continued from its checkpoint, and ends again.
    """
    info = folder.read()
    if not info.ended or seal.damaged(folder.files, info):
        return None
    if info.state == "complete":
        print(f"already complete: {folder.path}")
        return Summary.read(folder.files.summary)
    raise Diverged(f"{folder.path}: {info.reason} (in an earlier call; not run again)")


def _warn_of_small_images(run: Run) -> None:
    """Warn of a stem for large images: on small ones it trains, and figures are far below a paper's."""
    stem, total = (run.model.stem_stride, run.model.stride) if isinstance(run.model, Strides) else (1, 1)
    _, height, width = run.splits.train.shape
    if (stem > 1 and min(height, width) < 16 * stem) or min(height, width) < 2 * total:
        print(
            f"warning: the stem divides {height}x{width} images by {stem}, the whole network by {total}: "
            "it is made for larger ones; see model.stem",
            file=sys.stderr,
        )


class _Job:
    """A run in its folder. It decides when the run is saved, and says how it ended."""

    def __init__(
        self, config: Config, run: Run, folder: rundir.RunDir, progress: TextIO | None, company: Company
    ) -> None:
        self.config, self.run, self.folder, self.company = config, run, folder, company
        self.choices_key = schema.choices_key(named.by_id(config))
        self.every_steps, self.every_seconds = rules.parse_every(config.checkpoint.every)
        self.metrics = record.Metrics(folder.files.metrics)
        self.saved_at = (0, time.monotonic())  # updates, clock
        self.signal: int | None = None
        self.reporter = Reporter(folder.files.log, folder.path.name, progress)
        self.sinks = sinks.Sinks([each.name for each in config.log])

    def go(self) -> Summary:
        try:
            with machine.when_stopped(self._flag), self.reporter, watched():
                _set_aside(self.folder)
                self._resume()
                self.folder.set_state("running", **self._progress())
                rows = record.read(self.metrics.path)
                self.sinks.start(sinks.Begun(self.folder.path, schema.plain(self.config), rows))
                with self.company.lead(self.run, self.folder, self._lost):
                    self.run.processes.asked = self.signal is not None
                    self._train()
                summary = self._summarise()
            self._end("complete", results=summary.results)
            return summary
        except Interrupted as error:
            self._end("interrupted", str(error))
            raise
        except Diverged as error:
            self._settle()
            self._summary("diverged", [], None).write(self.folder.files.summary)
            self._end("diverged", str(error))
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            with contextlib.suppress(TricktableError, OSError):  # the first error is the one to report
                self._end("failed", reason)
                log, said = self.folder.files.log, traceback.format_exc().encode("utf-8", "backslashreplace")
                with atomic.opened(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                    atomic.write_all(handle, said)
            if isinstance(error, TricktableError):
                raise
            raise RunFailed(f"{reason} (its traceback is in {self.folder.files.log})") from error

    def _end(self, state: State, reason: str | None = None, results: Sequence[Result] = ()) -> None:
        self.folder.set_state(state, reason=reason, **self._progress())
        self.sinks.finish(state, {name: value for each in results for name, value in each.figures().items()})

    def _progress(self) -> dict[str, Any]:
        clock, key = self.run.clock, self.choices_key
        return {"epoch": clock.epoch, "epochs": self.run.epochs, "updates": clock.updates, "choices_key": key}

    def _flag(self, number: int) -> None:
        """Ask for a stop at the next edge; who types Ctrl-C twice will not wait for it."""
        if number == self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal != signal.SIGINT:
            self.signal = number
        self.run.processes.asked = True

    def _lost(self, words: str) -> None:
        """One of the run's processes is lost and this one hangs: say so before it is ended."""
        with contextlib.suppress(TricktableError, OSError):
            self.folder.set_state("failed", reason=f"ProcessLost: {words}", **self._progress())
        terminal.complain(words)

    def _resume(self) -> None:
        record.write_config(self.folder.files.config, schema.plain(self.config))
        refuse = resume.refusal(self.run, self.folder.identity)
        saved = checkpoint.newest(self.folder.files.checkpoints, refuse=refuse)
        if saved is None:
            self._restore(b"")
            return
        resume.load(self.run, saved)
        if "metrics" in saved.state:
            self._restore(saved.state["metrics"].encode("utf-8"))
        else:  # an earlier version kept its size alone
            self.metrics.truncate(saved.state["metrics_size"])
        self.saved_at = (self.run.clock.updates, time.monotonic())
        print(f"continuing {self.folder.path.name} at epoch {self.run.time:.2f}", file=sys.stderr)

    def _restore(self, rows: bytes) -> None:
        if said := self.metrics.restore(rows):
            terminal.say(f"warning: {self.metrics.path}: {said}")

    def _settle(self) -> None:
        """Before the folder is sealed: what was changed under our hands is put right from what we know."""
        self.folder.fence()
        self._restore(self.metrics.rows)
        record.write_config(self.folder.files.config, schema.plain(self.config))

    def _train(self) -> None:
        self.reporter.start(self.run.epochs, self.run.time)
        for row in train(self.run, self._edge):
            self.folder.fence()
            self.metrics.append(row.plain())
            self.reporter.row(row.plain())
            self.sinks.row(row.plain())
            self.folder.set_state("running", **self._progress())
            self._stop_at(self.run.divergence)
        self._stop_at(divergence_of(self.run, weights=True))
        self.run.finish()  # before the save, which keeps what it computes for whoever reads the run again
        self._save()

    def _stop_at(self, divergence: Divergence | None) -> None:
        """Remember how the run diverged, and raise Diverged; None lets it go on."""
        self.run.divergence = divergence
        if divergence:
            raise Diverged(str(divergence))

    def _edge(self) -> None:
        """Save between two steps where it is due, and stop where a signal came."""
        self.reporter.advance(self.run.time)
        updates, then = self.saved_at
        due = self.every_steps is not None and self.run.clock.updates - updates >= self.every_steps
        late = self.every_seconds is not None and time.monotonic() - then >= self.every_seconds
        stopping = self.run.processes.stopping
        if due or late or stopping:
            self._save_if_finite()
        if stopping:
            name = signal.Signals(self.signal or signal.SIGTERM).name  # another of the run's processes may have got it
            raise Interrupted(f"{name}: saved at epoch {self.run.time:.2f}; run the same command again to go on")

    def _save_if_finite(self) -> None:
        """Save within an epoch. Where a weight is not finite the next loss will say so; the last good save is kept."""
        divergence = divergence_of(self.run, weights=True)
        if divergence is None:
            self._save()
        elif divergence.what == "the loss":
            self._stop_at(divergence)

    def _save(self) -> None:
        tensors, state = self.run.state()
        self.folder.fence()
        state |= {"metrics": self.metrics.rows.decode("utf-8"), "run": asdict(self.folder.identity)}
        checkpoint.save(
            self.folder.files.checkpoints, self.run.clock.updates, tensors, state, self.config.checkpoint.keep
        )
        self.saved_at = (self.run.clock.updates, time.monotonic())

    def _summarise(self) -> Summary:
        run = self.run
        self._settle()
        last = EpochRow.of(record.rows_of(self.metrics.path, self.metrics.rows)[-1])
        made = predicted(run, last)
        self.folder.fence()
        of_test_images(run, made[0][1]).write(self.folder.files.predicted)
        summary = self._summary("complete", [result for result, _ in made], last)
        summary.write(self.folder.files.summary)
        return summary

    def _summary(self, state: State, results: Sequence[Result], last: EpochRow | None) -> Summary:
        summary = summarise(self.run, results, last)
        return replace(summary, id=self.folder.path.name, study=self.config.study, state=state)


def _set_aside(folder: rundir.RunDir) -> None:
    """Keep beside what is damaged of a run that had ended, and say so; it is made again as far as it can be."""
    info = folder.read()
    for name, words in seal.damaged(folder.files, info).items() if info.ended else ():
        path = folder.path / name
        kept = f" (kept as {seal.set_aside(path)})" if os.path.lexists(path) else ""
        again = "evaluate it again" if path == folder.files.evaluations else "it is made again from the checkpoint"
        terminal.say(f"warning: {path}: {words}{kept}; {again}")

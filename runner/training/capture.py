"""Gradients by recordings: what a batch of one shape goes through is recorded once, and replayed.

On a GPU that is a CUDA graph, whose hundreds of kernels cost no Python; on a CPU a tape, for tests. A recording is as
good as what it takes for granted (granted.py), and gives the same bits as what it replaces. What cannot be recorded is
said in one line, and done as ever.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from tricktable.runner.terminal import warn_once
from tricktable.runner.training.compute import Compute
from tricktable.runner.training.gradients import Batch, Outcome, gradients, key_noise
from tricktable.runner.training.granted import Granted
from tricktable.runner.training.knobs import Shape
from tricktable.runner.training.parts import announce, parts_of

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run

AFTER = 3  # steps that are taken as ever first: what torch and cuDNN choose and allocate once is done
LEAST = 20  # uses of a batch's shape in the run, below which it is not worth it
MOST = 8  # recordings at a time: each keeps the memory of its gradients


class Recorder(Protocol):
    """A recording that is still to be made; a RuntimeError is what cannot be."""

    def record(self, body: Callable[[], Outcome]) -> Outcome:
        """Do what the body does, once, and remember it."""

    def replay(self) -> None:
        """Do it again, on what lies in the same memory now."""


@dataclass
class _Recording:
    """A batch of one shape, which lies where it lay; what came of it, and the memory of its gradients."""

    recorder: Recorder
    batch: Batch
    outcome: Outcome
    gradients: list[tuple[nn.Parameter, Tensor | None]]
    granted: Granted
    replays: int = 0

    def replay(self, batch: Batch) -> Outcome:
        for mine, given in zip(self.batch.tensors(), batch.tensors(), strict=True):
            mine.copy_(given, non_blocking=True)
        self.recorder.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        self.replays += 1
        return _kept(self.outcome)


class Capture:
    """A run's gradients, batch by batch. `recorder` makes recordings; None: each is computed as ever."""

    def __init__(
        self, recorder: Callable[[], Recorder] | None, after: int = AFTER, least: int = LEAST, most: int = MOST
    ) -> None:
        self.recorder, self.after, self.least, self.most = recorder, after, least, most
        self.recordings: dict[Shape, _Recording] = {}
        self.taken: Counter[Shape] = Counter()  # steps of each shape since it was last given up
        self.uses: Counter[Shape] | None = None  # of each shape in the whole run

    def __call__(self, run: "Run", batch: Batch) -> Outcome:
        """Set the gradients of a batch. Of what it returns only `total` holds beyond the next call."""
        key_noise(run)
        shape = batch.shape
        recording = self.recordings.get(shape)
        if recording is not None:
            changed = _changed(run, shape.images, recording.granted)
            if changed is None:
                return recording.replay(batch)
            self._give_up(shape, changed)
        self.taken[shape] += 1
        return self._record(run, batch) if self._pays(run, shape) else _as_ever(run, batch)

    def _pays(self, run: "Run", shape: Shape) -> bool:
        if self.recorder is None or self.taken[shape] <= self.after or len(self.recordings) >= self.most:
            return False
        if self.uses is None:
            self.uses = run.knobs.shapes(run.epochs)
        return self.uses[shape] >= self.least

    def _record(self, run: "Run", batch: Batch) -> Outcome:
        """Take the step while it is recorded."""
        assert self.recorder is not None
        mine, images = batch.copy(), len(batch.labels)
        _tell(run, images)
        granted, before = Granted(run), [buffer.clone() for buffer in run.model.buffers()]
        try:
            recorder = self.recorder()
            outcome = recorder.record(lambda: gradients(run, mine))
        except RuntimeError as error:
            # On a GPU a second error says that the capture has ended; the first one, during it, says why.
            self._refuse(str(error.__context__ or error).partition("\n")[0])
            for buffer, saved in zip(run.model.buffers(), before, strict=True):
                buffer.copy_(saved)
            key_noise(run)
            return _as_ever(run, batch)
        if changed := _changed(run, images, granted):
            self._refuse(f"a step changes {changed}")
        else:
            parameters = [p for group in run.optimizer.param_groups for p in group["params"]]
            made = [(parameter, parameter.grad) for parameter in parameters]
            self.recordings[batch.shape] = _Recording(recorder, mine, outcome, made, granted)
        return _kept(outcome)

    def _give_up(self, shape: Shape, changed: str) -> None:
        """Forget a recording of what has changed; one is made again unless it changes all the time."""
        recording = self.recordings.pop(shape)
        self.taken[shape] = 0
        if recording.replays < self.least:
            self._refuse(f"{changed} changes")

    def _refuse(self, why: str) -> None:
        self.recorder = None
        self.recordings.clear()
        warn_once(f"compute.capture: steps are not recorded, for {why}; they are the same, and slower on a GPU")


def _as_ever(run: "Run", batch: Batch) -> Outcome:
    """Compute the gradients; compiled code moves torch's own counters, as a recording does."""
    return gradients(run, batch, run.counters.held) if run.network is run.model else gradients(run, batch)


def _kept(outcome: Outcome) -> Outcome:
    """An outcome of a recording, whose memory is the next replay's; the optimizer returns `total` as its own."""
    return outcome._replace(total=outcome.total.clone())


def recorder_for(compute: Compute) -> Callable[[], Recorder] | None:
    """Return what makes recordings on this device; None where none are asked for."""
    if not compute.capture:
        return None
    if compute.device.type == "cuda":
        from tricktable.runner.training.graph import Graph

        return Graph
    from tricktable.runner.training.tape import Tape

    return Tape


def _changed(run: "Run", images: int, granted: Granted) -> str | None:
    """Return what a recording took for granted, and is not so any more."""
    _tell(run, images)
    return granted.changed()


def _tell(run: "Run", images: int) -> None:
    """Tell the modules that act once a batch of its first part, as a step does first: they forget the batch before."""
    if run.micro_batch is not None:
        start, stop = parts_of(images, run.micro_batch)[0]
        announce(run.model, start, stop, images)

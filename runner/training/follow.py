"""A run's other processes: the same steps as the first one, of which nothing is written."""

from tricktable.runner import data, machine
from tricktable.runner.config.schema import Config
from tricktable.runner.errors import BadInput, Diverged, Interrupted
from tricktable.runner.training import job, ranks
from tricktable.runner.training.company import TRAIN, WORD, Others, gathered
from tricktable.runner.training.divergence import divergence_of
from tricktable.runner.training.processes import Together
from tricktable.runner.training.run import Run
from tricktable.runner.training.train import train


def follow(config: Config, mine: ranks.Place) -> None:
    """Take part in a run until it ends. Raises the way it ended; BadInput where the first process has another run.

    What is to be saved and shown is the first one's affair, so is the run's folder.
    """
    ranks.use_gpu(mine, config.compute.device)
    run, identity = job.prepare(config, data.load(config.data))
    store = ranks.store_of(mine)
    if store.get(WORD) != TRAIN:
        store.set(f"left {mine.rank}", "")
        return
    signals: list[int] = []  # until there is somebody to tell

    def stop(number: int) -> None:
        signals.append(number)
        run.processes.asked = True

    with (
        machine.when_stopped(stop),
        gathered(mine, run.compute.device, store, Others(1), lambda words: None),
    ):
        run.processes = together = Together(run.compute.device)
        together.asked = bool(signals)
        together.adapt(run.model)
        theirs, state = together.told(None)
        if theirs != identity:
            raise BadInput(f"process {mine.rank} of {mine.size}: its config, code or data are not those of the first")
        if state is not None:
            run.load(*state)
        _train(run)


def _train(run: Run) -> None:
    def edge() -> None:
        if run.processes.stopping:
            raise Interrupted("asked to stop, in all processes of the run")

    for _ in train(run, edge):
        if run.divergence:
            raise Diverged(str(run.divergence))
    if divergence := divergence_of(run, weights=True):
        raise Diverged(str(divergence))
    run.finish()

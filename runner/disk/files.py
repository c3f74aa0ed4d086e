"""Where the files of a run lie in its folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, outputs/<study>/<id>/; each is there once it has been written."""

    folder: Path

    @property
    def info(self) -> Path:
        """run.json: which run this is, its state and its progress."""
        return self.folder / "run.json"

    @property
    def config(self) -> Path:
        """config.yaml: the resolved config, plain data."""
        return self.folder / "config.yaml"

    @property
    def metrics(self) -> Path:
        """metrics.csv: one row per epoch."""
        return self.folder / "metrics.csv"

    @property
    def summary(self) -> Path:
        """summary.json: the final figures, and what they were made with."""
        return self.folder / "summary.json"

    @property
    def predicted(self) -> Path:
        """predicted.json: the test images that its own result is right on, by class, and the worst of them."""
        return self.folder / "predicted.json"

    @property
    def evaluations(self) -> Path:
        """evaluations.csv: one row per later evaluation, by other inferences or on other images."""
        return self.folder / "evaluations.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def sealed(self) -> tuple[Path, ...]:
        """What tables read: the files whose digests run.json has once the run has ended."""
        return self.config, self.metrics, self.summary, self.predicted, self.evaluations

    @property
    def log(self) -> Path:
        """log.txt: what a person saw."""
        return self.folder / "log.txt"

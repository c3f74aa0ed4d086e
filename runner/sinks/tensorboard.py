"""TensorBoard: events in the run's folder, so that `tensorboard --logdir outputs` shows every run by its name."""

from collections.abc import Mapping
from typing import Any

from tricktable.runner.sinks.sink import Begun, Row, flat, numbers

NEEDS = ("tensorboard",)
ENDING = ".tricktable"  # of the files' names


class TensorBoard:
    """Scalars by epoch, named as metrics.csv's columns. The file is written anew where a run goes on."""

    writer: Any
    epoch = 0

    def start(self, run: Begun) -> None:
        """Begin a file with the rows so far; the first of its events drops what a reader has of the earlier ones."""
        from torch.utils.tensorboard import SummaryWriter

        earlier = list(run.folder.glob(f"events.out.tfevents.*{ENDING}"))
        self.writer = SummaryWriter(str(run.folder), purge_step=0, filename_suffix=ENDING)
        lines = [f"    {key}: {value}" for key, value in flat(run.config).items()]  # Markdown: as they are
        self.writer.add_text("config", "\n".join(lines), 0)
        for row in run.rows:
            self._add(row)
        self.writer.flush()
        for path in earlier:
            path.unlink()

    def row(self, row: Row) -> None:
        """Add its numbers."""
        self._add(row)
        self.writer.flush()

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """Add the final figures, at the last epoch."""
        self.writer.add_text("state", state, self.epoch)
        for name, value in figures.items():
            self.writer.add_scalar(name, value, self.epoch)
        self.writer.close()

    def _add(self, row: Row) -> None:
        self.epoch = int(row["epoch"])
        for name, value in numbers(row).items():
            self.writer.add_scalar(name, value, self.epoch)

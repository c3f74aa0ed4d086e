"""Weights & Biases: output.root/wandb, offline unless WANDB_MODE says otherwise; `wandb sync` sends it later."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from tricktable.runner.sinks.sink import Begun, Row, numbers

NEEDS = ("wandb",)
PATIENCE = 60.0  # seconds for a server to answer


class WeightsAndBiases:
    """A run by its id, which is that of our run: where it goes on it is the same one, and has each epoch once."""

    run: Any

    def start(self, run: Begun) -> None:
        """Begin, or take up, the run; epochs that a server has of it are left as they are."""
        import wandb

        run.root.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "tricktable"),
            group=run.study,
            name=run.folder.name,
            id=hashlib.sha256(run.name.encode()).hexdigest()[:16],
            resume="allow",
            reinit="create_new",  # never a run that this process has open
            config=dict(run.config),
            dir=str(run.root),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(console="off", silent=True, init_timeout=PATIENCE),
        )
        for row in run.rows:
            self.row(row)

    def row(self, row: Row) -> None:
        """Log its numbers; the step is the epoch."""
        if row["epoch"] >= self.run.step:
            self.run.log(numbers(row), step=row["epoch"], commit=True)

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """End it with the final figures as its summary."""
        self.run.summary.update({"state": state, **figures})
        self.run.finish(exit_code=0 if state in ("complete", "diverged") else 1)

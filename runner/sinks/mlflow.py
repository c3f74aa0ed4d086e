"""MLflow: output.root/mlruns, or MLFLOW_TRACKING_URI. An experiment is a study, or MLFLOW_EXPERIMENT_NAME."""

import fcntl
import os
from collections.abc import Mapping

from tricktable.runner.disk import atomic
from tricktable.runner.sinks.sink import Begun, Row, flat, numbers

NEEDS = ("mlflow",)
TAG = "tricktable.run"
ENDINGS = {"complete": "FINISHED", "diverged": "FINISHED", "interrupted": "KILLED"}  # else FAILED
# Unless they are set: a server's absence is known soon, and a folder may be the store.
GIVEN = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_ALLOW_FILE_STORE": "true"}


class MLflow:
    """A run found by its tag, our run's name: where it goes on it is the same one, and has each epoch once."""

    def start(self, run: Begun) -> None:
        """Begin, or take up, the run; epochs that it has are left as they are."""
        for name, value in GIVEN.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        with atomic.opened(run.root, os.O_RDONLY) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # runs that start at once share one store and one experiment
            at = os.environ.get("MLFLOW_TRACKING_URI") or (run.root.resolve() / "mlruns").as_uri()
            self.client = MlflowClient(at)
            self.id = self._found(os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.study, run)
        self.client.update_run(self.id, status="RUNNING")
        self.last = max((each.step for each in self.client.get_metric_history(self.id, "epoch")), default=0)
        for row in run.rows:
            self.row(row)

    def row(self, row: Row) -> None:
        """The step is the epoch."""
        if row["epoch"] > self.last:
            for name, value in numbers(row).items():
                self.client.log_metric(self.id, name, value, step=row["epoch"])

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """End it with the final figures."""
        for name, value in figures.items():
            self.client.log_metric(self.id, name, value)
        self.client.set_tag(self.id, "tricktable.state", state)
        self.client.set_terminated(self.id, ENDINGS.get(state, "FAILED"))

    def _found(self, study: str, run: Begun) -> str:
        """The id of the run with our tag, or of a new one with the config's keys as its parameters."""
        known = self.client.get_experiment_by_name(study)
        experiment = known.experiment_id if known else self.client.create_experiment(study)
        if found := self.client.search_runs([experiment], f"tags.`{TAG}` = '{run.name}'"):
            return str(found[0].info.run_id)
        made: str = self.client.create_run(experiment, tags={TAG: run.name}, run_name=run.folder.name).info.run_id
        for key, value in flat(run.config).items():
            self.client.log_param(made, key, str(value)[:6000])
        return made

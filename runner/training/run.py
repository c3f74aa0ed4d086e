"""A run: the objects that build.py made, the clock, and all of it that a checkpoint holds."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tricktable.runner.config.abilities import EvaluationWeights, StatefulHook, having
from tricktable.runner.config.places import Augment, FinishHook, Gradient, Hook, Inference, Loss, Penalty
from tricktable.runner.training import statistics
from tricktable.runner.training.capture import Capture, recorder_for
from tricktable.runner.training.compiled import network
from tricktable.runner.training.compute import Compute
from tricktable.runner.training.count import Count
from tricktable.runner.training.counters import Counters
from tricktable.runner.training.divergence import Divergence
from tricktable.runner.training.knobs import Knobs
from tricktable.runner.training.processes import Alone
from tricktable.runner.training.sums import EpochSums

if TYPE_CHECKING:
    from tricktable.runner.data.split import Splits


@dataclass
class Clock:
    """The run stands `position` images into `epoch`, after `updates` steps on `samples` images."""

    epoch: int = 0
    position: int = 0
    updates: int = 0
    samples: int = 0


@dataclass
class Run:
    """One training run. The fields that are named after places hold what was chosen there (places.py)."""

    seed: int
    epochs: int
    splits: "Splits"
    compute: Compute
    model: nn.Module
    cost: Count
    knobs: Knobs
    optimizer: torch.optim.Optimizer
    augment: Mapping[str, Augment]
    loss: Loss
    penalty: Mapping[str, Penalty]
    gradient: Mapping[str, Gradient]
    hook: Mapping[str, Hook]
    inference: Mapping[str, Inference]
    scaler: "torch.amp.GradScaler | None" = None
    micro_batch: int | None = None  # images at once, where a batch is taken in parts
    processes: Alone = field(default_factory=Alone)  # that share each batch
    memory: int = 0  # bytes of a GPU that it takes, as its rehearsal found
    clock: Clock = field(default_factory=Clock)
    variants: dict[str, list[nn.Module]] = field(default_factory=dict)
    stopped: bool = False  # a hook may end the run after this epoch
    divergence: Divergence | None = None
    sums: EpochSums = field(init=False)  # of the open epoch
    gradients: Capture = field(init=False)
    network: Callable[[Tensor], Tensor] = field(init=False)  # the model as a step calls it: compiled, or itself
    counters: Counters = field(init=False)  # of the batch normalisations that train
    parameters: list[nn.Parameter] = field(init=False)  # the model's, listed once: the model has many modules

    def __post_init__(self) -> None:
        self.sums = EpochSums(self.compute.device)
        self.gradients = Capture(recorder_for(self.compute))
        self.network = network(self)
        self.counters = Counters(self.model)
        self.parameters = list(self.model.parameters())
        own = isinstance(self.optimizer, EvaluationWeights)
        self.variants.setdefault("final", [copy.deepcopy(self.model) if own else self.model])

    @property
    def evaluated(self) -> nn.Module:
        """Return the model that figures are of: the one that trains, or a copy with the optimizer's own weights."""
        (model,) = self.variants["final"]
        return model

    @property
    def time(self) -> float:
        """Return the time of the next step, in epochs."""
        return self.clock.epoch + self.clock.position / self.knobs.n

    @property
    def diverged(self) -> int | None:
        """Return the update at which the run diverged; None where it has not."""
        return self.divergence.update if self.divergence else None

    def prepare(self, images: Tensor) -> Tensor:
        """Normalise uint8 B C H W to float32 in the run's memory format; 0 is the training set's mean."""
        x = images.to(torch.float32, memory_format=self.compute.memory_format)
        mean, std = self.splits.mean, self.splits.std
        return x.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))

    def set_knobs(self) -> dict[str, float]:
        """Read the knobs at this time, set the optimizer's parameter groups to them, and return them."""
        values, factor = self.knobs.at(self.time), self.knobs.lr_factor(self.time)
        for group in self.optimizer.param_groups:
            group["lr"] = values["lr"] * group.get("lr_scale", 1.0)
            group["lr_factor"] = factor
            if "weight_decay" in values:
                group["weight_decay"] = values["weight_decay"] * group.get("decay_scale", 1.0)
            if "momentum" in group:
                group["momentum"] = values["momentum"]
            elif "betas" in group:
                group["betas"] = (values["momentum"], *group["betas"][1:])
        return values

    def learning_rates(self) -> dict[nn.Parameter, float]:
        """Return the learning rate of each trained parameter, as the knobs were last set."""
        return {p: group["lr"] for group in self.optimizer.param_groups for p in group["params"]}

    def _parameter_names(self) -> list[str]:
        """Return the names of the optimizer's parameters, in its own order."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        return [names[id(p)] for group in self.optimizer.param_groups for p in group["params"]]

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that a checkpoint holds: tensors by flat names, and plain values."""
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        if self.evaluated is not self.model:
            tensors |= {f"evaluated/{k}": v for k, v in self.evaluated.state_dict().items()}
        tensors["sums"] = self.sums.tensor
        plain: dict[str, Any] = {"clock": asdict(self.clock), "stopped": self.stopped}
        names = self._parameter_names()
        for i, entries in self.optimizer.state_dict()["state"].items():
            _put(tensors, plain, f"optimizer/{names[i]}", entries)
        for name, hook in having(self.hook, StatefulHook):
            _put(tensors, plain, f"hook/{name}", hook.state_dict())
        if self.scaler is not None:
            _put(tensors, plain, "scaler", self.scaler.state_dict())
        return tensors, plain

    def load(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Go back to a saved state. The run must be built from the same config."""
        self.load_models(tensors, plain)
        self.sums.tensor.copy_(tensors["sums"])
        self.clock = Clock(**plain["clock"])
        self.stopped = plain["stopped"]
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        entries = {
            i: {k: _as(parameters[i], v) for k, v in _get(tensors, plain, f"optimizer/{name}").items()}
            for i, name in enumerate(self._parameter_names())
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": {i: e for i, e in entries.items() if e}, "param_groups": groups})
        if self.scaler is not None:
            self.scaler.load_state_dict(_get(tensors, plain, "scaler"))

    def load_models(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Load what evaluation needs of a saved state: the models, and what hooks keep of them."""
        self.model.load_state_dict(_get(tensors, {}, "model"))
        if _get(tensors, {}, "evaluated"):
            if self.evaluated is self.model:  # an evaluation's run, which has no optimizer of its own
                self.variants["final"] = [copy.deepcopy(self.model)]
            self.evaluated.load_state_dict(evaluated_weights(tensors))
        for name, hook in having(self.hook, StatefulHook):
            hook.load_state_dict(_get(tensors, plain, f"hook/{name}"))

    @torch.no_grad()
    def update_evaluated(self, edge: Callable[[], None] = lambda: None) -> None:
        """Bring the evaluated model to the optimizer's EvaluationWeights, where it has them; `edge` as in the loop."""
        if not isinstance(self.optimizer, EvaluationWeights):
            return
        weights = self.optimizer.evaluation_weights()
        for p, q in zip(self.model.parameters(), self.evaluated.parameters(), strict=True):
            q.copy_(weights.get(p, p))
        for b, c in zip(self.model.buffers(), self.evaluated.buffers(), strict=True):
            c.copy_(b)
        self.recompute_statistics(self.evaluated, edge)

    def recompute_statistics(self, model: nn.Module, edge: Callable[[], None] = lambda: None) -> None:
        """Replace the running averages of a model like the run's by those of one pass over the training set."""
        statistics.recompute(self, model, edge)

    def finish(self) -> None:
        """Let the hooks add their variants."""
        for _, hook in having(self.hook, FinishHook):
            hook.finish(self)


def evaluated_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of the model that a run's figures are of, from the tensors of its checkpoint."""
    return _get(tensors, {}, "evaluated") or _get(tensors, {}, "model")


def _put(tensors: dict[str, Tensor], plain: dict[str, Any], prefix: str, entries: Mapping[str, Any]) -> None:
    for name, value in entries.items():
        (tensors if isinstance(value, Tensor) else plain)[f"{prefix}/{name}"] = value


def _get(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    head = prefix + "/"
    return {k.removeprefix(head): v for k, v in {**plain, **tensors}.items() if k.startswith(head)}


def _as(parameter: Tensor, value: Any) -> Any:
    """Lay a saved value out as the parameter of its shape: fused steps take no mixture of memory formats.

    A single number has one layout, and its device is torch's affair: the count of steps stays on the CPU, where the
    host reads it.
    """
    alike = isinstance(value, Tensor) and value.ndim > 0 and value.shape == parameter.shape
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value) if alike else value

"""The places where a trick can act, each with its interface. A newcomer reads this page first.

One word per place: it is the config group, the folder under tricks/, the argument's name and the field of Run. A trick
is one class or function in tricks/<place>/<trick>.py, with its arguments in configs/<place>/<trick>.yaml. Where torch
has a native type (Module, Optimizer), that type is the interface.

Shapes: B images of a batch, N of the training set, K classes, C channels, H W pixels.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # this page is read by commands that must not pay for importing torch
    import torch
    from torch import Tensor, nn

    from runner.training.run import Run


@dataclass(frozen=True)
class Place:
    """What the runner must know of a place: how many tricks it takes, and who calls them."""

    name: str
    stage: str
    many: bool = False
    factory: bool = False  # the model calls it, once for each layer or block
    maker: bool = False  # a function here makes the object; elsewhere a function is the object


PLACES = {
    place.name: place
    for place in (
        Place("conv", "BUILD", factory=True),
        Place("norm", "BUILD", factory=True),
        Place("residual", "BUILD", factory=True),
        Place("head", "BUILD", factory=True),
        Place("init", "BUILD", many=True),
        Place("augment", "BATCH", many=True),
        Place("loss", "BATCH"),
        Place("penalty", "BATCH", many=True),
        Place("groups", "STEP"),
        Place("gradient", "STEP", many=True),
        Place("optimizer", "STEP", maker=True),
        Place("schedule", "STEP"),  # one per knob, mounted at schedule.<knob>
        Place("hook", "AFTER", many=True),
        Place("inference", "AFTER", many=True),
    )
}

KNOBS = ("lr", "batch_size", "momentum", "weight_decay")
SCHEDULED = (*KNOBS, "noise_scale")  # the last is what the first three come to, and pay for


class Conv(Protocol):
    """conv: makes a convolution, a torch.nn.Conv2d or its subclass; None is torch.nn.Conv2d itself.

    A Module whose other parameters follow from its initialised weight (weight norm's g) has `after_init()`, which is
    called after each `init`.
    """

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        padding: int,
        groups: int,
        bias: bool,
    ) -> "nn.Module": ...


class Norm(Protocol):
    """norm: makes a normalisation of B C H W.

    Where its statistics are over several images and it is no torch BatchNorm of the whole batch, the Module says over
    how many as `images_together` (None: the whole batch); a batch is split between them only.
    """

    def __call__(self, num_features: int) -> "nn.Module": ...


class Residual(Protocol):
    """residual: makes the Module that turns a block's branches into the term added to its shortcut.

    Blocks are numbered `index` = 1..`total` in forward order, with `branches` branches each (1 in a plain residual
    block, 2 in a Shake network). The Module's `forward(*branches)` takes as many tensors of one shape and returns one.
    """

    def __call__(self, index: int, total: int, branches: int) -> "nn.Module": ...


class Head(Protocol):
    """head: makes the classifier, features B x in_features -> logits B x K."""

    def __call__(self, in_features: int, num_classes: int) -> "nn.Module": ...


class Init(Protocol):
    """init: sets the model's parameters; they run in the list's order, before `groups` (one may add parameters)."""

    def __call__(self, model: "nn.Module") -> None: ...


class Augment(Protocol):
    """augment: changes a batch; the list's order is the order of the changes."""

    def sample(self, n: int, rng: "torch.Generator") -> Any:
        """Draw one epoch's choices: a tensor, or a tuple of tensors, whose first dimension is the epoch's n positions.

        Geometry is drawn as uniforms in [0, 1), so that the table does not depend on the image's size.
        """

    def __call__(self, images: "Tensor", targets: "Tensor", drawn: Any) -> tuple["Tensor", "Tensor"]:
        """Float images B C H W (normalised: 0 is the mean), targets B x K (rows sum to 1), its rows of the table."""


class Loss(Protocol):
    """loss: logits B x K, target distributions B x K, images B C H W after augmentation -> a scalar.

    An argument whose type is Module names a finished run, and is given that run's frozen network.
    """

    def __call__(self, logits: "Tensor", targets: "Tensor", images: "Tensor") -> "Tensor": ...


class Penalty(Protocol):
    """penalty: any method may be absent. ValueError where the model has nothing to act on; it shows before training."""

    def loss(self, model: "nn.Module") -> "Tensor":
        """A scalar that is added to the loss."""

    def after_step(self, model: "nn.Module", knobs: dict[str, float]) -> None:
        """A decoupled change of the weights; `knobs` are this step's values, by their names in KNOBS."""

    def figures(self, model: "nn.Module") -> dict[str, float]:
        """Columns for each epoch's row, always the same ones."""


class Groups(Protocol):
    """groups: the model's parameters as torch's parameter groups. One may reparametrise the model in place.

    A group may carry `lr_scale` and `decay_scale` (1 where absent), which multiply the knobs lr and weight_decay.
    """

    def __call__(self, model: "nn.Module") -> list[dict[str, Any]]: ...


class Gradient(Protocol):
    """gradient: changes the parameters' `.grad` in place, after backward."""

    def __call__(self, parameters: "Iterable[nn.Parameter]") -> None: ...


Optimizer = Callable[..., Any]
"""optimizer: `(groups, **arguments) -> torch.optim.Optimizer`. It is stepped with a closure."""


class Schedule(Protocol):
    """schedule: the factor of a knob at a time in epochs (epoch + position/N, read before the step). A pure function.

    Constructed with `total_epochs`, if it asks for it. An argument that names a schedule itself (`then`) is one.
    """

    def __call__(self, epoch: float) -> float: ...


class Hook(Protocol):
    """hook: any of these methods. All its state is in `state_dict()`, tensors and numbers, and so in the checkpoint.

    `variants` maps the name of each variant that `finish` adds to the number of its models; absent, it adds none.
    """

    variants: dict[str, int]

    def begin(self, run: "Run") -> None:
        """Once, on the run as built, before a saved state is loaded. ValueError where the hook cannot act on it."""

    def on_step(self, run: "Run") -> None: ...
    def on_epoch(self, run: "Run", row: dict[str, Any]) -> None: ...
    def finish(self, run: "Run") -> None:
        """May add to `run.variants`, which maps a name to the list of models that results are given for."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Inference(Protocol):
    """inference: a variant's models -> a Module from B C H W images to B x K logits (or logs of probabilities).

    ValueError for a number of models that it cannot take: a variant is evaluated by the inferences that take it. It
    leaves the given models as they are. The Module may declare `candidates`, a sequence of numbers: the one with the
    smallest loss on validation is set by its method `choose(candidate)`.
    """

    def __call__(self, models: "list[nn.Module]") -> "nn.Module": ...

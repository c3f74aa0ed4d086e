"""The places where a trick can act, each with its interface. A newcomer reads this page first.

One word per place: it is the config group, the folder under tricks/, the argument and the field of Run. A trick is
one class or function in tricks/<place>/<trick>.py, with its arguments in configs/<place>/<trick>.yaml. Where torch has
a native type (Module, Optimizer), that type is the interface.

What a trick may do and need not (a norm's `images_together`, a hook's state) is an interface of its own: abilities.py.
A trick has an interface by defining what it names, and inherits nothing.

Shapes: B images of a batch, N of the training set, K classes, C channels, H W pixels.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # this page is read by commands that must not pay for importing torch
    import torch
    from torch import Tensor, nn

    from tricktable.runner.training.run import Run


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
        Place("activation", "BUILD", factory=True),
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

KNOBS = ("lr", "batch_size", "momentum", "weight_decay", "size")  # the last is the side of the training images
SCHEDULED = (*KNOBS, "noise_scale")  # which is what the first three come to, and pay for


class Model(Protocol):
    """model: a class in models/<family>.py makes the network, images B C H W (normalised, float32) -> logits B x K.

    It is no place, for nothing else acts there, but is chosen as a trick is. It is given `num_classes` and
    `in_channels`, and a factory as below, or None for the network's own, for each seam that its signature has: of
    `conv`, `norm`, `activation`, `residual` and `head`, and calls them to make its layers. A seam that it lacks is
    refused to whoever fills it. Its other arguments are its YAML's keys, typed as the signature says; ValueError for
    one that is out of range. The images' size is not told: layers that need one have it as an argument.

    `paper: {input: [C, H, W], classes: K, params: n, madds: n}` in its YAML is no argument: it is what `tricktable
    count` compares with; null where the paper gives no exact figure. Its `stride`, total and of the stem: see Strides.
    """

    def __call__(self, *, num_classes: int, in_channels: int, **arguments: Any) -> "nn.Module": ...


class Conv(Protocol):
    """conv: makes a convolution, a torch.nn.Conv2d or its subclass; None is torch.nn.Conv2d itself. See AfterInit."""

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
    """norm: makes a normalisation of B C H W. See JointStatistics."""

    def __call__(self, num_features: int) -> "nn.Module": ...


class Activation(Protocol):
    """activation: makes a nonlinearity, of any shape to the same shape, wherever the network has one of its own.

    Which one that is (ReLU6, tanh) the network's own arguments say; the gates of squeeze-and-excitation stay.
    """

    def __call__(self) -> "nn.Module": ...


class Residual(Protocol):
    """residual: makes the Module that turns a block's branches into the term added to its shortcut.

    Blocks are numbered `index` = 1..`total` in forward order, with `branches` branches each (1 in a plain residual
    block, 2 in a Shake network), of `channels` channels: those of the block's output. The Module's
    `forward(*branches)` takes as many tensors B C H W of one shape and returns one of that shape.
    """

    def __call__(self, index: int, total: int, branches: int, channels: int) -> "nn.Module": ...


class Head(Protocol):
    """head: makes the classifier, features B x in_features -> logits B x K."""

    def __call__(self, in_features: int, num_classes: int) -> "nn.Module": ...


class Init(Protocol):
    """init: sets the model's parameters; they run in the list's order, before `groups` (one may add parameters).

    One that asks for `images` is given a function from n to n training images, evenly spread over the set (or all):
    float32 n C H W on the CPU, normalised. Or None where values do not matter: a saved state follows, or only a count.
    """

    def __call__(self, model: "nn.Module") -> str | None:
        """May return a line that says what it did, where that cannot be read from the config."""


class Augment(Protocol):
    """augment: changes a batch; the list's order is the order of the changes.

    Constructed with `mean` and `std` of the training set, if it asks for them: C each, on the device, of pixels in
    0..255, which are `images * std + mean`.
    """

    def sample(self, n: int, rng: "torch.Generator") -> Any:
        """Draw one epoch's choices: a tensor, or a tuple of tensors, whose first dimension is the epoch's n positions.

        Geometry is drawn as uniforms in [0, 1), so that the table does not depend on the image's size.
        """

    def __call__(self, images: "Tensor", targets: "Tensor", drawn: Any) -> tuple["Tensor", "Tensor"]:
        """Float images B C H W (normalised: 0 is the mean), targets B x K (rows sum to 1), its rows of the table."""


class Loss(Protocol):
    """loss: logits B x K, target distributions B x K, images B C H W as the network saw them -> a scalar.

    An argument whose type is Module names a finished run, and is given that run's frozen network.
    """

    def __call__(self, logits: "Tensor", targets: "Tensor", images: "Tensor") -> "Tensor": ...


@runtime_checkable
class CoupledPenalty(Protocol):
    """penalty: a term of the loss. ValueError where the model has nothing to act on; it shows before training."""

    def loss(self, model: "nn.Module") -> "Tensor":
        """A scalar that is added to the loss."""


@runtime_checkable
class DecoupledPenalty(Protocol):
    """penalty: a change of the weights that the optimizer does not see. ValueError as for a coupled one."""

    def after_step(self, model: "nn.Module", lr: "Mapping[nn.Parameter, float]") -> None:
        """Change the weights in place; `lr` is this step's lr of each trained parameter, with its lr_scale."""


Penalty = CoupledPenalty | DecoupledPenalty
"""penalty: one of the two, or both."""


class Groups(Protocol):
    """groups: the model's parameters as torch's parameter groups. One may reparametrise the model in place.

    A group may carry `lr_scale` and `decay_scale` (1 where absent), which multiply the knobs, and `origin` (0): weights
    are the parameters, which decay, plus this. The runner adds `lr_factor`, by which lr's schedule alone multiplies lr.
    """

    def __call__(self, model: "nn.Module") -> list[dict[str, Any]]: ...


class Gradient(Protocol):
    """gradient: changes the parameters' `.grad` in place, after backward."""

    def __call__(self, parameters: "Iterable[nn.Parameter]") -> None: ...


Optimizer = Callable[..., Any]
"""optimizer: `(groups, **arguments) -> torch.optim.Optimizer`. It is stepped with a closure. See EvaluationWeights."""


class Schedule(Protocol):
    """schedule: the factor of a knob at a time in epochs (epoch + position/N, read before the step). A pure function.

    Constructed with `total_epochs`, if it asks for it. An argument that names a schedule itself (`then`) is one.
    """

    def __call__(self, epoch: float) -> float: ...


@runtime_checkable
class BeginHook(Protocol):
    """hook: sees the run as it was built."""

    def begin(self, run: "Run") -> None:
        """Once, before a saved state is loaded. ValueError where the hook cannot act on this run."""


@runtime_checkable
class StepHook(Protocol):
    """hook: acts after each step; `run.model` has the weights that train."""

    def on_step(self, run: "Run") -> None: ...


@runtime_checkable
class EpochHook(Protocol):
    """hook: acts after each epoch, on the row of its figures, which are of the model in `run.variants["final"]`."""

    def on_epoch(self, run: "Run", row: dict[str, Any]) -> None: ...


@runtime_checkable
class FinishHook(Protocol):
    """hook: acts at the end of the run."""

    def finish(self, run: "Run") -> None:
        """May add to `run.variants`, each name with its models. `evaluate` calls it again, with the state it left."""


Hook = BeginHook | StepHook | EpochHook | FinishHook
"""hook: any of these."""


class Inference(Protocol):
    """inference: a variant's models -> a Module from B C H W images to B x K logits (or logs of probabilities).

    ValueError for a number of models that it cannot take: a variant is evaluated by the inferences that take it. It
    leaves the given models as they are.
    """

    def __call__(self, models: "list[nn.Module]") -> "nn.Module": ...

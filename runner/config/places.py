"""The places where a trick can act, each with its interface. A newcomer reads this page first.

One word per place: it is the config group, the folder under tricks/, the argument and the field of Run. A trick is
one class or function in tricks/<place>/<trick>.py, with its arguments in configs/<place>/<trick>.yaml. Where torch has
a native type (Module, Optimizer), that type is the interface.

What a trick may do and need not (a hook's `finish`, a norm's `images_together`) is an interface of its own, below that
of its place. A trick has an interface by defining what it names, and inherits nothing; `having` finds those that do.

Shapes: B images of a batch, N of the training set, K classes, C channels, H W pixels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

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

KNOBS = ("lr", "batch_size", "momentum", "weight_decay")
SCHEDULED = (*KNOBS, "noise_scale")  # the last is what the first three come to, and pay for


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


@runtime_checkable
class AfterInit(Protocol):
    """A Module whose other parameters follow from its initialised weight (weight norm's g)."""

    def after_init(self) -> None:
        """Called after each `init`. ValueError where nothing can follow from the weight as it is."""


class Norm(Protocol):
    """norm: makes a normalisation of B C H W. See JointStatistics."""

    def __call__(self, num_features: int) -> "nn.Module": ...


@runtime_checkable
class JointStatistics(Protocol):
    """A normalisation over several images that is no torch BatchNorm of the whole batch.

    `images_together`: over how many (None: the whole batch); a batch is split between them only.
    """

    images_together: int | None


@runtime_checkable
class InParts(Protocol):
    """A Module that does something once a batch, and so must know where it stands when a batch is taken in parts.

    Running averages move with the last part, by the whole batch's statistics. A number that is drawn for a whole batch
    is drawn with the first part and kept for the others; what is drawn for each image is not concerned.
    """

    def part(self, start: int, stop: int, of: int) -> None:
        """Called in training before the pass over images [start, stop) of a batch of so many; never without parts."""


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

    def __call__(self, model: "nn.Module") -> None: ...


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


@runtime_checkable
class ImageSample(Protocol):
    """An augmentation whose choices follow each image through the epochs; it has this in place of `sample`."""

    def sample_images(self, order: "Tensor", rng: "torch.Generator", epoch: int) -> Any:
        """Draw for the images `order` (int64 n, CPU) at the positions of epoch 0, 1 ...; each epoch `rng` is as new."""


class Loss(Protocol):
    """loss: logits B x K, target distributions B x K, images B C H W after augmentation -> a scalar.

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


@runtime_checkable
class Figures(Protocol):
    """A penalty with columns of its own in the table of epochs."""

    def figures(self, model: "nn.Module") -> dict[str, float]:
        """Columns for each epoch's row, always the same ones."""


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


@runtime_checkable
class EvaluationWeights(Protocol):
    """An optimizer that trains other weights than its result: figures and `run.variants["final"]` are of the result."""

    def evaluation_weights(self) -> "Mapping[Tensor, Tensor]":
        """Return the weights to evaluate, by their parameter; one that is not there is evaluated as it is."""


@runtime_checkable
class MomentumGain(Protocol):
    """An optimizer that knows how many times lr a steady gradient's step is; the noise scale of others is null."""

    def momentum_gain(self, momentum: float) -> float: ...


@runtime_checkable
class UpdateCheck(Protocol):
    """An optimizer that does nothing, or less than it says, in a run of too few updates: ValueError."""

    def check_updates(self, updates: int) -> None: ...


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


@runtime_checkable
class VariantHook(Protocol):
    """A hook whose `finish` adds variants: `variants` maps each one's name to the number of its models."""

    variants: dict[str, int]


@runtime_checkable
class StatefulHook(Protocol):
    """A hook that remembers: all its state is in `state_dict()`, tensors and numbers, and so in the checkpoint."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Inference(Protocol):
    """inference: a variant's models -> a Module from B C H W images to B x K logits (or logs of probabilities).

    ValueError for a number of models that it cannot take: a variant is evaluated by the inferences that take it. It
    leaves the given models as they are.
    """

    def __call__(self, models: "list[nn.Module]") -> "nn.Module": ...


@runtime_checkable
class Candidates(Protocol):
    """An inference's Module with a value that is picked on the validation split: the one with the smallest loss.

    `candidates`: the values to pick from; empty where the value is given.
    """

    candidates: Sequence[float]

    def choose(self, candidate: float) -> None: ...


@runtime_checkable
class Strides(Protocol):
    """A network that says by how much it divides the images' sides: its stem, and the whole of it."""

    stem_stride: int
    stride: int


Interface = TypeVar("Interface")


def having(tricks: Mapping[str, object], interface: type[Interface]) -> Iterator[tuple[str, Interface]]:
    """Yield those tricks that have an interface of this page, with their names, in their order."""
    for name, trick in tricks.items():
        if isinstance(trick, interface):
            yield name, trick

"""What a trick may do and need not, each an interface of its own beside that of its place (places.py).

A trick has an interface by defining what it names, and inherits nothing; `having` finds those that do.

Shapes: B images of a batch, N of the training set, K classes, C channels, H W pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@runtime_checkable
class AfterInit(Protocol):
    """A Module whose other parameters follow from its initialised weight (weight norm's g)."""

    def after_init(self) -> None:
        """Called after each `init`. ValueError where nothing can follow from the weight as it is."""


@runtime_checkable
class JointStatistics(Protocol):
    """A normalisation over several images that is no torch BatchNorm of the whole batch.

    `images_together`: over how many (None: the whole batch); a batch is split between them only.
    """

    images_together: int | None


@runtime_checkable
class ChannelMultiple(Protocol):
    """A Module without weights that decides how many channels it puts out: as many more zeros as make a multiple.

    `channel_multiple`: of this number, 1 until it is set; its input may have zeros behind its own channels.
    """

    channel_multiple: int


@runtime_checkable
class InParts(Protocol):
    """A Module that does something once a batch, and so must know where it stands when a batch is taken in parts.

    Running averages move with the last part, by the whole batch's statistics. A number that is drawn for a whole batch
    is drawn with the first part and kept for the others; what is drawn for each image is not concerned.
    """

    def part(self, start: int, stop: int, of: int) -> None:
        """Called in training before the pass over images [start, stop) of a batch of so many; never without parts."""


@runtime_checkable
class PartStatistics(Protocol):
    """A normalisation that keeps statistics of a batch's parts, and moves its running averages by all of them.

    `seen`, of each part or piece of one: its share of the batch, the means and the variances of its n groups, n x C,
    and the values a channel of the whole batch. Several processes put theirs together.
    """

    seen: "list[tuple[float, Tensor, Tensor, int]]"

    def whole(self) -> None:
        """Move the running averages by what was seen, and forget it."""


@runtime_checkable
class BatchDraws(Protocol):
    """A Module that draws numbers for a whole batch: from `generator` where there is one, else from torch's own.

    Several processes that share a batch give it one whose numbers are the same in each of them.
    """

    generator: "torch.Generator | None"


@runtime_checkable
class ImageSample(Protocol):
    """An augmentation whose choices follow each image through the epochs; it has this in place of `sample`."""

    def sample_images(self, order: "Tensor", rng: "torch.Generator", epoch: int) -> Any:
        """Draw for the images `order` (int64 n, CPU) at the positions of epoch 0, 1 ...; each epoch `rng` is as new."""


@runtime_checkable
class PictureCrop(Protocol):
    """An augmentation that resizes a crop of each image. First in the list, it acts on pictures as they are decoded.

    That is where images are decoded while training; elsewhere it is called as any other. It acts once, either way.
    `interpolation` is bilinear or bicubic.
    """

    interpolation: str

    def boxes(self, height: int, width: int, drawn: "Tensor") -> "Tensor":
        """Return the crops of pictures of one size, by their rows of `sample`: int64 n x (top, left, height, width)."""


@runtime_checkable
class Figures(Protocol):
    """A penalty with columns of its own in the table of epochs."""

    def figures(self, model: "nn.Module") -> dict[str, float]:
        """Columns for each epoch's row, always the same ones."""


@runtime_checkable
class EvaluationWeights(Protocol):
    """An optimizer that trains other weights than its result: figures and `run.variants["final"]` are of the result."""

    def evaluation_weights(self) -> "Mapping[Tensor, Tensor]":
        """Return the weights to evaluate, by their parameter; one that is not there is evaluated as it is."""


@runtime_checkable
class OverflowAware(Protocol):
    """An optimizer that leaves a step whose fp16 gradient overflowed out on the device; torch's word for it."""

    _step_supports_amp_scaling: bool


@runtime_checkable
class MomentumGain(Protocol):
    """An optimizer that knows how many times lr a steady gradient's step is; the noise scale of others is null."""

    def momentum_gain(self, momentum: float) -> float: ...


@runtime_checkable
class UpdateCheck(Protocol):
    """An optimizer that does nothing, or less than it says, in a run of too few updates: ValueError."""

    def check_updates(self, updates: int) -> None: ...


@runtime_checkable
class VariantHook(Protocol):
    """A hook whose `finish` adds variants: `variants` maps each one's name to the number of its models."""

    variants: dict[str, int]


@runtime_checkable
class StatefulHook(Protocol):
    """A hook that remembers: all its state is in `state_dict()`, tensors and numbers, and so in the checkpoint."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@runtime_checkable
class Candidates(Protocol):
    """An inference's Module with a value that is picked on the validation split: the one with the smallest loss.

    `candidates`: the values to pick from; empty where the value is given.
    """

    candidates: Sequence[float]

    def choose(self, candidate: float) -> None: ...


@runtime_checkable
class Strides(Protocol):
    """A network that says by how much it divides the images' sides: its stem, and the whole of it.

    A schedule of the images' size gives multiples of the latter.
    """

    stem_stride: int
    stride: int


Interface = TypeVar("Interface")


def having(tricks: Mapping[str, object], interface: type[Interface]) -> Iterator[tuple[str, Interface]]:
    """Yield those tricks that have an interface of this page, with their names, in their order."""
    for name, trick in tricks.items():
        if isinstance(trick, interface):
            yield name, trick

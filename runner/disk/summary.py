"""summary.json: a run's final figures, and what they were made with. Errors are in percent."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from tricktable.runner import terminal
from tricktable.runner.config.typed import convert
from tricktable.runner.disk import atomic
from tricktable.runner.errors import StorageProblem

LIMIT = 64 << 20  # bytes of a summary.json
Number = float | None
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one variant came to by one inference; `picked` is the candidate that was selected on validation.

    `test_top5_error`: of the five likeliest classes; None where there are no more than five, and in older summaries.
    """

    variant: str
    inference: str
    picked: Number = None
    val_loss: Number = None
    val_error: Number = None
    test_loss: Number = None
    test_error: Number = None
    test_top5_error: Number = None

    def plain(self) -> dict[str, Any]:
        """Without what there is nothing of."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def figures(self) -> dict[str, float]:
        """Its numbers, each by variant, inference and name: `ema/flip/test_error`."""
        values = {name: value for name, value in self.plain().items() if name not in ("variant", "inference")}
        return {f"{self.variant}/{self.inference}/{name}": value for name, value in values.items()}


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The images: their source's title and fingerprint, how many were used how, and what they were normalised by.

    `dataset` is the known set that they are (`cifar10`; None where it is none), as the data source vouches for; `copy`
    says which copy where the pixels are not the original's (`JPEG copy`), `complete` whether no image is missing, and
    `archive` the files that they come from, with checksums: name, no folder.
    `mean` and `std` are of the raw training pixels, one number per channel. `class_names` are in the order of the
    labels, and `shape` is C H W of an image; both are empty in a summary that was written before they were kept.
    """

    title: str = ""
    fingerprint: str = ""
    dataset: str | None = None
    copy: str | None = None
    complete: bool = False
    archive: str | None = None
    train: int = 0
    validation: int = 0
    test: int = 0
    classes: int = 0
    shape: list[int] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ComputeSummary:
    """Where and how a run was computed; None where an older summary does not say."""

    device: str | None = None
    precision: str | None = None
    channels_last: bool | None = None
    threads: int | None = None
    deterministic: bool | None = None
    pad_channels: int | None = None
    compile: bool = False  # earlier versions did not
    processes: int = 1


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions, machine, and the project's commit, with «+» behind it where tracked files differed from it."""

    python: str | None = None
    torch: str | None = None
    platform: str | None = None
    cpu: str | None = None
    gpu: str | None = None
    commit: str | None = None

    @property
    def device(self) -> str:
        """The GPU, or where none was used the processor."""
        return str(self.gpu or self.cpu)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run's summary. `results` has one entry per variant and inference, the run's own first; none where it diverged.

    `train_loss` and `train_error` are of the last epoch; `diverged_at` is an update; params, madds, updates, samples
    are counts.
    """

    id: str = ""
    study: str = ""
    state: str = ""
    results: tuple[Result, ...] = ()
    train_loss: Number = None
    train_error: Number = None
    diverged_at: int | None = None
    seed: int = 0
    epochs: int = 0
    updates: int = 0
    samples: int = 0
    params: int = 0
    madds: int = 0
    data: DataSummary = field(default_factory=DataSummary)
    weights_sha256: str = ""
    compute: ComputeSummary = field(default_factory=ComputeSummary)
    environment: Environment = field(default_factory=Environment)

    @property
    def final(self) -> Result | None:
        """The run's own result: the model as it stood at the end, by the inference of every epoch."""
        return self.results[0] if self.results else None

    def figure(self, name: str) -> Number:
        """A figure by its name in summary.json, such as test_error, train_loss or updates; None where there is none."""
        if name.startswith(("val_", "test_")):
            return getattr(self.final, name) if self.final else None
        figure: Number = getattr(self, name)
        return figure

    def plain(self) -> dict[str, Any]:
        """As summary.json has it: the run's own result also stands among the summary's first keys."""
        values = dataclasses.asdict(self)
        if values["compute"]["pad_channels"] is None:  # it came later, and stands only where it is asked for
            del values["compute"]["pad_channels"]
        names = {name: values.pop(name) for name in ("id", "study", "state")}
        training = {name: value for name in ("train_loss", "train_error") if (value := values.pop(name)) is not None}
        own = self.final.plain() if self.final else {}
        return {**names, **own, **training, **values, "results": [result.plain() for result in self.results]}

    def write(self, path: Path) -> None:
        """Put summary.json in place, whole or not at all; NaN and the infinities become null."""
        atomic.replace(path, atomic.dump(self.plain()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """A summary.json, of this version or an earlier one; StorageProblem where it is missing or damaged."""
        with atomic.storage(path):
            try:
                return cls.parse(atomic.read(path, LIMIT))
            except ValueError as error:
                raise StorageProblem(terminal.clean(f"{path}: damaged ({atomic.reason(error)})")) from error

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """A summary.json's bytes; ValueError where they are damaged."""
        try:
            return of_values(cls, atomic.parse(data))
        except (TypeError, RecursionError, OverflowError) as error:
            raise ValueError(atomic.reason(error)) from error


def of_values(cls: Callable[..., T], values: Mapping[str, Any]) -> T:
    """A dataclass of these values; what it does not know is left out, what it lacks keeps its default.

    ValueError for a value of another type.
    """
    if not isinstance(values, Mapping):
        raise ValueError("it holds no mapping where one should be")
    hints = _hints(cls)
    return cls(**{name: _value(name, hints[name], value) for name, value in values.items() if name in hints})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _value(name: str, hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return of_values(hint, value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{name}: it holds no list")
        return tuple(of_values(typing.get_args(hint)[0], each) for each in value)
    try:
        return convert(hint, value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}"[:100]) from None

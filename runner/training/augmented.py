"""The augmentations over a pass through the training set.

Each trick's choices for the whole pass are one table, of which a batch reads its rows (docs/design.md, «Randomness»).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from runner import randomness

if TYPE_CHECKING:
    from runner.training.run import Run


def tables(run: "Run", purpose: str, position: int) -> dict[str, Any]:
    """Draw every augmentation's table, on the device; keyed by what the pass is for, the trick and the position."""
    n, device = run.knobs.n, run.compute.device
    return {
        name: _each(
            lambda t: t.to(device, non_blocking=True),
            trick.sample(n, randomness.generator(run.seed, purpose, name, position)),
        )
        for name, trick in run.augment.items()
    }


def rows(drawn: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    """Return the rows of a batch, of every table."""
    return {name: _each(lambda t: t[start:stop], table) for name, table in drawn.items()}


def batch(run: "Run", images: Tensor, labels: Tensor, drawn: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Turn uint8 B C H W and int64 B into what the network sees and is told, B C H W and B x K, by the batch's rows."""
    x, y = run.prepare(images), run.splits.one_hot.index_select(0, labels)
    for name, trick in run.augment.items():
        x, y = trick(x, y, drawn[name])
    return x, y


def _each(change: Callable[[Tensor], Tensor], drawn: Any) -> Any:
    """Change a table, which is a tensor or a tuple of them."""
    return tuple(map(change, drawn)) if isinstance(drawn, tuple) else change(drawn)

"""The processes that share a run: each takes parts of every batch, and the sum of their gradients is the batch's.

Parameters, optimizer, hooks, knobs and clocks are the same in all of them and nothing is sharded; the first one writes.
What has to be equal is made so in one flat sum a batch: gradients, losses, counts, statistics of normalisations that
work on parts, and whether one of them was asked to stop.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tricktable.runner import randomness
from tricktable.runner.config.abilities import BatchDraws, PartStatistics
from tricktable.runner.training.gradients import Outcome
from tricktable.runner.training.knobs import Shape
from tricktable.runner.training.parts import announce, batch_parts, shares_of, together_in
from tricktable.runner.training.synced import synchronise

if TYPE_CHECKING:
    from tricktable.runner.data.draw import Crop, Split
    from tricktable.runner.training.run import Run

AGREED = 8  # passes on a GPU between two looks at whether somebody asked to stop: no step waits for the answer


class Alone:
    """The one process of a run."""

    rank, size = 0, 1

    def __init__(self) -> None:
        self.asked = False  # by a signal, to stop at the next edge

    @property
    def stopping(self) -> bool:
        """Whether the run stops at this edge: then in every process."""
        return self.asked

    def key_noise(self, device: torch.device, *position: int | str) -> None:
        """Put the generator of the network's noise at the position of a batch."""
        randomness.rekey(device, *position, 0)

    def key_draws(self, *position: int | str) -> None:
        """Put the draws for a whole batch at its position, where they have a generator of their own."""

    def adapt(self, model: nn.Module) -> None:
        """Make a model, in place, fit for training on a share of each batch."""

    def parts(self, model: nn.Module, images: int, micro_batch: int | None) -> Iterator[tuple[int, slice]]:
        """Yield the parts of a batch that are computed here, by number, each once the model has been told of it."""
        for i, (start, stop) in enumerate(batch_parts(images, micro_batch, 1)):
            if micro_batch is not None:
                announce(model, start, stop, images)
            yield i, slice(start, stop)

    def whole(self, run: "Run", shape: Shape, outcome: Outcome) -> Outcome:
        """Make the gradients and the outcome of the parts that were computed here those of the whole batch."""
        return outcome

    def settled(self, model: nn.Module, images: int, micro_batch: int | None) -> None:
        """Put the running averages of a batch's parts right, where there are no gradients to go with them."""

    def drawn(
        self, split: "Split", batches: Sequence[tuple[int, int]], order: Tensor, crop: "Crop | None"
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As Split.draw: whole batches, in every process."""
        return split.draw(batches, order, crop)

    def added(self, rows: Tensor) -> Tensor:
        """Add up tensors of which each process has filled in rows of its own, 0 elsewhere."""
        return rows


class _Seen(NamedTuple):
    """What a process has to add for a batch of one shape, the same each time: all know it of all.

    graded: of each parameter, whether it has a gradient. pieces: of each PartStatistics, its `seen` but for the values:
    share, shape, values a channel.
    """

    graded: list[bool]
    pieces: list[list[tuple[float, tuple[int, ...], int]]]

    @property
    def numbers(self) -> int:
        """How many numbers the pieces have."""
        return sum(2 * shape[0] * shape[1] for norm in self.pieces for _, shape, _ in norm)


class Together(Alone):
    """One of several, once torch.distributed has a group of them (ranks.py)."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.draws = torch.Generator(device)
        # by the shape of a batch, and whether it has gradients: each process' in the order of their ranks
        self.known: dict[tuple[Shape, bool], list[_Seen]] = {}
        self.agreed, self.passes = False, 0
        self.answer: tuple[Tensor, torch.cuda.Event] | None = None  # on its way from the GPU

    @property
    def stopping(self) -> bool:
        """Whether the run stops at this edge; it changes at the same step in all of them."""
        return self.agreed

    def told(self, word: Any) -> Any:
        """Return what the first process says to all."""
        box = [word]
        dist.broadcast_object_list(box)
        return box[0]

    def key_noise(self, device: torch.device, *position: int | str) -> None:
        """What is drawn for single images is other noise in each process; what is drawn for the batch is one's alone.

        The latter is drawn as one process would, where it draws nothing else.
        """
        randomness.rekey(device, *position, 1 + self.rank)
        self.key_draws(*position)

    def key_draws(self, *position: int | str) -> None:
        """As Alone.key_draws."""
        self.draws.manual_seed(randomness.key(*position, 0))

    def adapt(self, model: nn.Module) -> None:
        """Batch norm over the whole batch, and draws for a whole batch that are the same everywhere."""
        synchronise(model)
        for module in model.modules():
            if isinstance(module, BatchDraws):
                module.generator = self.draws

    def parts(self, model: nn.Module, images: int, micro_batch: int | None) -> Iterator[tuple[int, slice]]:
        """Yield every so many-th part, from the rank's on; to the model they are the first of a batch.

        So what is drawn for the batch is drawn with the first part of each process, and no process takes its last part
        for the batch's: running averages move once all is known (`_move`).
        """
        every, done = batch_parts(images, micro_batch, self.size, together_in(model)), 0
        for i in range(self.rank, len(every), self.size):
            start, stop = every[i]
            announce(model, done, done + stop - start, images)
            done += stop - start
            yield i, slice(start, stop)

    @torch.no_grad()
    def whole(self, run: "Run", shape: Shape, outcome: Outcome) -> Outcome:
        """As Alone.whole: one flat buffer, one call."""
        trained, norms = [p for p in run.parameters if p.requires_grad], _part_statistics(run.model)
        seen = self._seen((shape, True), trained, norms)
        graded = [p for p, *has in zip(trained, *(each.graded for each in seen), strict=True) if any(has)]
        scalars = torch.stack([each.to(outcome.loss.dtype) for each in outcome])
        asked = scalars.new_full((1,), float(self.asked))
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in graded]
        *summed, scalars, asked, pieces = _summed([*gradients, scalars, asked, self._pieces(scalars, seen, norms)])
        for p, value in zip(graded, summed, strict=True):
            p.grad = (torch.empty_like(p) if p.grad is None else p.grad).copy_(value)  # laid out as p
        self._move(run.model, (shape.images, run.micro_batch), pieces, seen, norms)
        self._agree(asked)
        # What draws from here on, in the step or a hook, draws the same numbers in all of them.
        randomness.rekey(run.compute.device, run.seed, "after", run.clock.epoch, run.clock.updates)
        return Outcome(*scalars)

    @torch.no_grad()
    def settled(self, model: nn.Module, images: int, micro_batch: int | None) -> None:
        """As Alone.settled."""
        norms = _part_statistics(model)
        if norms:
            seen = self._seen((Shape(images), False), [], norms)
            pieces = self._pieces(norms[0].seen[0][1] if norms[0].seen else next(model.parameters()), seen, norms)
            dist.all_reduce(pieces)
            self._move(model, (images, micro_batch), pieces, seen, norms)

    def _seen(self, key: tuple[Shape, bool], trained: list[nn.Parameter], norms: list[PartStatistics]) -> list[_Seen]:
        """Return what each process has for a batch: asked for once for each shape, and taken for granted then."""
        graded = [p.grad is not None for p in trained]
        if key not in self.known:
            pieces = [[(share, tuple(mean.shape), count) for share, mean, _, count in norm.seen] for norm in norms]
            every: list[Any] = [None] * self.size
            dist.all_gather_object(every, _Seen(graded, pieces))
            self.known[key] = every
        known = self.known[key]
        if any(now and not any(has) for now, *has in zip(graded, *(each.graded for each in known), strict=True)):
            raise RuntimeError("a parameter has a gradient now that it had in no process before; use one process")
        return known

    def _pieces(self, like: Tensor, seen: list[_Seen], norms: list[PartStatistics]) -> Tensor:
        """Return this process' statistics of parts where those of all stand in a row, and 0 for the others'."""
        row = like.new_zeros(sum(each.numbers for each in seen))
        mine = [value.reshape(-1) for norm in norms for _, mean, var, _ in norm.seen for value in (mean, var)]
        if mine:
            start = sum(each.numbers for each in seen[: self.rank])
            row[start : start + seen[self.rank].numbers] = torch.cat(mine)
        return row

    def _move(
        self,
        model: nn.Module,
        batch: tuple[int, int | None],
        row: Tensor,
        seen: list[_Seen],
        norms: list[PartStatistics],
    ) -> None:
        """Move running averages by the statistics of all parts; a batch of one part has moved the first process'."""
        images, micro_batch = batch
        if len(batch_parts(images, micro_batch, self.size, together_in(model))) == 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)
            return
        sizes = [shape[0] * shape[1] for each in seen for norm in each.pieces for _, shape, _ in norm for _ in range(2)]
        values = iter(row.split(sizes))
        found: list[list[tuple[float, Tensor, Tensor, int]]] = [[] for _ in norms]
        for each in seen:
            for here, pieces in zip(found, each.pieces, strict=True):
                here += [(share, next(values).view(shape), next(values).view(shape), n) for share, shape, n in pieces]
        for norm, here in zip(norms, found, strict=True):
            norm.seen = here
            norm.whole()

    def _agree(self, asked: Tensor) -> None:
        """Take in that somebody asked to stop: at once on a CPU, on a GPU what was answered some steps ago."""
        if asked.device.type == "cpu":
            self.agreed = self.agreed or asked.item() > 0
            return
        self.passes += 1
        if self.passes % AGREED:
            return
        if self.answer is not None:
            pinned, sent = self.answer
            sent.synchronize()
            self.agreed = self.agreed or pinned.item() > 0
        pinned, sent = torch.empty(1, dtype=asked.dtype, pin_memory=True), torch.cuda.Event()
        pinned.copy_(asked, non_blocking=True)
        sent.record()
        self.answer = pinned, sent

    def drawn(
        self, split: "Split", batches: Sequence[tuple[int, int]], order: Tensor, crop: "Crop | None"
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As Alone.drawn; what is decoded as it is drawn is decoded in one process, for all of them."""
        if not split.streamed:
            yield from split.draw(batches, order, crop)
            return
        shares = [[(start + a, start + b) for a, b in shares_of(stop - start, self.size)] for start, stop in batches]
        mine = iter(split.draw([share[self.rank] for share in shares if len(share) > self.rank], order, crop))
        rows = order.to(split.labels.device, non_blocking=True)
        for (start, stop), share in zip(batches, shares, strict=True):
            largest = max(b - a for a, b in share)
            padded = torch.zeros(largest, *split.shape, dtype=torch.uint8, device=split.labels.device)
            if len(share) > self.rank:
                images, _ = next(mine)
                padded[: len(images)] = images
            every = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(every, padded)
            images = torch.cat([part[: b - a] for part, (a, b) in zip(every, share, strict=False)])
            yield images, split.labels.index_select(0, rows[start:stop])
        next(mine, None)  # its processes end

    def added(self, rows: Tensor) -> Tensor:
        """As Alone.added; all of them wait here, and agree whether to stop."""
        flat = torch.cat((rows.reshape(-1), rows.new_full((1,), float(self.asked))))
        dist.all_reduce(flat)
        self.agreed = self.agreed or flat[-1].item() > 0
        return flat[:-1].view(rows.shape)


def _part_statistics(model: nn.Module) -> list[PartStatistics]:
    """Return a model's normalisations that keep statistics of parts, but for those that are frozen."""
    return [m for m in model.modules() if isinstance(m, PartStatistics) and m.training]


def _summed(tensors: list[Tensor]) -> list[Tensor]:
    """Return each as the sum of it over the processes: one flat buffer, one call."""
    flat = torch.cat([each.reshape(-1) for each in tensors])
    dist.all_reduce(flat)
    sums = flat.split([each.numel() for each in tensors])
    return [value.view(each.shape) for value, each in zip(sums, tensors, strict=True)]

"""Steps that are recorded: when they are, that nothing goes stale, and what is refused."""

from collections import Counter

import pytest
import torch
from torch import nn

from tricktable.runner.config.compose import compose
from tricktable.runner.training import compute, job
from tricktable.runner.training.capture import Capture, recorder_for
from tricktable.runner.training.knobs import Shape
from tricktable.runner.training.tape import Refused, Tape
from tricktable.runner.training.train import train, train_epoch

SMALL = ("model=resnet8", "model.width=8")


def taped(run, after=1, least=1, most=8):
    run.gradients = Capture(Tape, after=after, least=least, most=most)
    return run


def trained(run):
    """The run's tensors at its end."""
    list(train(run, lambda: None))
    return {name: tensor.clone() for name, tensor in run.state()[0].items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Which steps


def test_a_size_is_recorded_after_a_few_steps_and_where_it_comes_often(make_run):
    run = taped(make_run(*SMALL), after=2, least=4)
    assert run.knobs.sizes(run.epochs) == {16: 9, 12: 3}
    seen = []

    def edge():
        seen.append((run.gradients.taken[Shape(16)], *(Shape(n) in run.gradients.recordings for n in (16, 12))))

    list(train(run, edge))
    assert seen[:3] == [(1, False, False), (2, False, False), (3, True, False)]  # the third step is recorded
    assert seen[-1] == (3, True, False) and run.gradients.recordings[Shape(16)].replays == 9 - 3


def test_as_many_are_kept_as_memory_is_for_and_the_rest_is_computed(make_run):
    growing = ["schedule.batch_size=multistep", "schedule.batch_size.at=[1,2]", "schedule.batch_size.factor=2",
               "batch_size=8", "epochs=3"]  # fmt: skip
    plain = make_run(*SMALL, *growing)
    sizes = plain.knobs.sizes(3)
    assert sizes == Counter(stop - start for epoch in range(3) for start, stop in plain.knobs.batches(epoch))
    assert len(sizes) > 3 and sizes.total() == plain.knobs.updates(3)
    expected = trained(plain)
    for most in (1, 8):
        run = taped(make_run(*SMALL, *growing), after=0, most=most)
        assert same(trained(run), expected) and len(run.gradients.recordings) == min(most, len(sizes))


@pytest.mark.parametrize(("typed", "recorder"), [("auto", None), ("off", None), ("on", Tape), ("true", Tape)])
def test_a_cpu_records_only_where_it_is_told_to_and_it_is_the_same_run(make_run, typed, recorder):
    config = compose(["compute=cpu", f"compute.capture={typed}"])
    assert recorder_for(compute.resolve(config.compute)) is recorder
    assert job.config_hash(config) == job.config_hash(compose(["compute=cpu"]))
    assert make_run(*SMALL, f"compute.capture={typed}").gradients.recorder is recorder


# The same steps


@pytest.mark.parametrize(
    "overrides",
    [
        ["schedule.lr=cosine", "schedule.momentum=linear", "schedule.momentum.end=0.5", "optimizer.weight_decay=0.1",
         "schedule.weight_decay=linear", "penalty=[l2]", "augment=[crop,mixup]", "augment.crop.pad=1"],
        ["optimizer=[sam,sgd]"],
        ["residual=shakedrop", "residual.level=batch", "norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=8"],
        ["residual=stochastic_depth", "norm=group", "micro_batch=8", "optimizer=[asam,lookahead,sgd]"],
    ],
    ids=["every knob moves", "asked twice", "parts", "parts asked twice"],
)  # fmt: skip
def test_replayed_steps_are_the_steps(make_run, overrides):
    run = taped(make_run(*SMALL, *overrides))
    assert same(trained(run), trained(make_run(*SMALL, *overrides)))
    assert run.gradients.recordings[Shape(16)].replays > 3


class Changing:
    """A hook that changes, before the eighth update, something that a step is computed with."""

    def __init__(self, change):
        self.change = change

    def on_step(self, run):
        if run.clock.updates == 7:
            self.change(run)


def stronger(run):
    run.penalty["l2"].strength *= 3


def replaced_weight(run):
    weight = run.model.head.weight
    weight.data = weight.data * 0.5


def replaced_buffer(run):
    norm = next(m for m in run.model.modules() if isinstance(m, nn.BatchNorm2d))
    norm.running_mean = norm.running_mean + 1


def slower_statistics(run):
    next(m for m in run.model.modules() if isinstance(m, nn.BatchNorm2d)).momentum = 0.5


def other_loss(run):
    run.loss = lambda logits, targets, images: 0.5 * nn.functional.cross_entropy(logits, targets)


@pytest.mark.parametrize("change", [stronger, replaced_weight, replaced_buffer, slower_statistics, other_loss])
def test_what_changes_between_replays_ends_the_recording_and_another_is_made(make_run, change):
    """A number that a recording has frozen, a tensor that it reads from where it lay: nothing trains on what was."""
    overrides = [*SMALL, "penalty=[l2]", "epochs=4"]
    runs = [make_run(*overrides), taped(make_run(*overrides))]
    stale = make_run(*overrides)
    for run in runs:
        run.hook = {"changing": Changing(change)}
    plain, replayed = map(trained, runs)
    assert same(plain, replayed) and not same(plain, trained(stale))
    assert runs[1].gradients.recordings[Shape(16)].replays == 12 - 6 - 2  # since then: a step as ever, one to record


# What is not recorded


class Counting(nn.Module):
    """A loss with a number of its own that counts its calls: a recording would freeze it."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, logits, targets, images):
        self.calls += 1
        return nn.functional.cross_entropy(logits, targets) * self.calls


def reads_back(logits, targets, images):
    loss = nn.functional.cross_entropy(logits, targets)
    return loss * loss.item()


def selects(logits, targets, images):
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    return losses[losses > losses.detach().mean()].mean()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda: reads_back, "aten._local_scalar_dense.default reads a value back"),
        (lambda: selects, "the shape of aten.index.Tensor depends on values"),
        (Counting, "a step changes loss.calls"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_a_line_and_computed(make_run, monkeypatch, capsys, loss, said):
    """The step at which it shows is whole: running averages and noise are of one step."""
    monkeypatch.delenv("TRICKTABLE_TOLD", raising=False)
    overrides = [*SMALL, "residual=shakedrop", "optimizer.lr=0.01"]
    plain, run = make_run(*overrides), taped(make_run(*overrides))
    plain.loss, run.loss = loss(), loss()
    assert same(trained(plain), trained(run))
    assert run.gradients.recorder is None and not run.gradients.recordings
    lines = [line for line in capsys.readouterr().err.splitlines() if "capture" in line]
    assert lines == [
        f"warning: compute.capture: steps are not recorded, for {said}; they are the same, and slower on a GPU"
    ]


def test_what_changes_all_the_time_is_not_recorded_for_ever(make_run, monkeypatch, capsys):
    monkeypatch.delenv("TRICKTABLE_TOLD", raising=False)

    class Restless:
        def on_step(self, run):
            run.penalty["l2"].strength *= 1.01

    runs = [make_run(*SMALL, "penalty=[l2]"), taped(make_run(*SMALL, "penalty=[l2]"))]
    for run in runs:
        run.hook = {"restless": Restless()}
    assert same(*map(trained, runs)) and runs[1].gradients.recorder is None
    assert "for penalty.l2.strength changes" in capsys.readouterr().err


# The tape


def test_a_tape_does_what_was_done_on_what_lies_there_now():
    x, total = torch.arange(6.0).view(2, 3), torch.zeros(3)

    def body():
        row = x[1] * 2  # of a view
        total.add_(row)
        return row, torch.rand(3)

    tape = Tape()
    row, drawn = tape.record(body)
    assert row.tolist() == [6, 8, 10] and total.tolist() == [6, 8, 10]
    x.fill_(1)
    torch.manual_seed(5)
    tape.replay()
    assert row.tolist() == [2, 2, 2] and total.tolist() == [8, 10, 12]
    torch.manual_seed(5)
    assert drawn.equal(torch.rand(3))


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 1],
        lambda x: x.masked_select(x > 1),
        lambda x: x.unique(),
        lambda x: x.index_put((x > 1,), torch.tensor(0.0)),
    ],
)
def test_a_tape_refuses_what_a_graph_cannot_have(body):
    with pytest.raises(Refused):
        Tape().record(lambda: body(torch.arange(4.0)))


def test_wrong_answers_are_counted_by_the_larger_part_of_a_mixed_image(make_run):
    run = make_run(*SMALL, "batch_size=60", "augment=[mixup]")
    seen = []
    loss = run.loss
    run.loss = lambda logits, targets, images: seen.append((logits, targets)) or loss(logits, targets, images)
    train_epoch(run, lambda: None)
    ((logits, targets),) = seen
    assert targets.max(1).values.min() < 1
    assert run.sums.read().wrong == (logits.argmax(1) != targets.argmax(1)).sum()

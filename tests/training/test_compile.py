"""The compiled network: the same steps, nothing stale, what is refused, and what it is part of."""

import copy
import re

import pytest
import torch
from torch import nn

from tests.tricks.test_every_trick import state_of, stop_at
from tricktable.runner.config.compose import compose
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.errors import BadInput
from tricktable.runner.training import compiled, compute, job
from tricktable.runner.training.capture import Capture
from tricktable.runner.training.compiled import MOST, SPARE, Compiled, graphs
from tricktable.runner.training.knobs import Shape
from tricktable.runner.training.train import train, train_epoch

SMALL = ("model=resnet8", "model.width=8", "epochs=2", "data.last_batch=drop")


def by(backend, run):
    """The run, its network compiled by one of torch's backends."""
    run.network = Compiled(run.model, graphs(run), backend)
    return run


def check(run, other):
    """Two runs end in the same state, under the same names."""
    (tensors, plain), (others, other_plain) = state_of(run), state_of(other)
    assert tensors.keys() == others.keys() and plain == other_plain
    assert not [name for name in tensors if not torch.equal(tensors[name], others[name])]


def check_resumed(make_run, overrides, backend, plain=False):
    """A run that stops in its second epoch and goes on in another Run ends as one that does not."""
    whole = make_run(*overrides) if plain else by(backend, make_run(*overrides))
    broken, resumed = (by(backend, make_run(*overrides)) for _ in range(2))
    list(train(whole, lambda: None))
    steps = len(list(whole.knobs.batches(0)))
    with pytest.raises(KeyboardInterrupt):
        list(train(broken, stop_at(broken, steps + steps // 2)))
    resumed.load(*state_of(broken))
    list(train(resumed, lambda: None))
    check(whole, resumed)


# The same steps: aot_eager has the graphs of the compiler, and the kernels of a network that is not compiled


@pytest.mark.parametrize(
    "overrides",
    [
        [*SMALL, "residual=stochastic_depth", "augment=[crop,mixup]", "augment.crop.pad=1", "optimizer=[sam,sgd]",
         "hook=[ema]"],
        ["model=mlp", "epochs=2", "micro_batch=8"],
        pytest.param([*SMALL, "norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=8"], marks=pytest.mark.long),
    ],
    ids=["noise, asked twice, averaged", "parts", "parts that modules are told of"],
)  # fmt: skip
def test_compiled_steps_are_the_steps_and_resume(make_run, overrides):
    check_resumed(make_run, overrides, "aot_eager", plain=True)


def test_a_norm_that_trains_on_its_running_averages_has_the_gradients_of_its_step(make_run):
    """torch would compute again, in the backward pass, from averages that the forward pass has moved."""
    overrides = [*SMALL, "norm=batch_renorm", "norm.warmup_steps=2"]
    runs = make_run(*overrides), by("aot_eager", make_run(*overrides))
    for run in runs:
        train_epoch(run, lambda: None)
    check(*runs)


KNOBS = (
    "model=mlp", "epochs=3", "schedule.lr=cosine", "schedule.momentum=linear", "schedule.momentum.end=0.5",
    "optimizer.weight_decay=0.1", "schedule.weight_decay=linear", "schedule.batch_size=multistep",
    "schedule.batch_size.at=[1,2]", "schedule.batch_size.factor=2", "batch_size=8",
)  # fmt: skip


def test_every_knob_moves_and_the_batch_grows(make_run):
    runs = make_run(*KNOBS), by("aot_eager", make_run(*KNOBS))
    for run in runs:
        list(train(run, lambda: None))
    assert runs[1].network.graphs == len(runs[0].knobs.sizes(3)) == 6
    check(*runs)


class Again:
    """A recorder that does again what it was given: a graph's part, without the dispatch mode that a tape is."""

    def record(self, body):
        self.body, self.made = body, body()
        return self.made

    def replay(self):
        with torch.enable_grad():
            for old, new in zip(self.made, self.body(), strict=True):
                old.copy_(new)


def test_what_is_compiled_is_recorded_after_a_few_steps(make_run):
    class Kept(Again):
        """Gradients lie where the recorded pass left them."""

        def replay(self):
            parameters = run.parameters
            super().replay()
            for (_, gradient), p in zip(recording().gradients, parameters, strict=True):
                gradient.copy_(p.grad)

    def recording():
        return run.gradients.recordings[Shape(16)]

    plain, run = make_run(*SMALL), by("aot_eager", make_run(*SMALL))
    run.gradients = Capture(Kept, after=1, least=1)
    list(train(plain, lambda: None))
    list(train(run, lambda: None))
    assert recording().replays == 2 * 3 - 2
    check(plain, run)


# Nothing stale


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 3))


def passed(model, forward):
    """What a pass gives, and leaves."""
    torch.manual_seed(1)
    model.zero_grad()
    logits = forward(torch.arange(20.0).view(5, 4).sin())
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad for p in model.parameters() if p.requires_grad), *model.buffers()]


def less_dropout(model):
    model[3].p = 0.25


def slower_statistics(model):
    model[1].momentum = 0.5


def replaced_weight(model):
    model[4].weight.data = model[4].weight.data * 0.5


def replaced_buffer(model):
    model[1].running_mean = model[1].running_mean + 1


def replaced_module(model):
    model[3] = nn.Tanh()


def frozen(model):
    model[1].eval()
    model[1].weight.requires_grad_(False)


def hooked(model):
    model[4].register_forward_hook(lambda module, given, made: 2 * made)


CHANGES = [less_dropout, slower_statistics, replaced_weight, replaced_buffer, replaced_module, frozen, hooked]


def test_what_changes_between_passes_is_compiled_anew():
    plain = net()
    mine = copy.deepcopy(plain)
    call = Compiled(mine, backend="eager")
    before = passed(plain, plain)
    passed(mine, call)
    for change in CHANGES:
        for model in (plain, mine):
            change(model)
        expected, found = passed(plain, plain), passed(mine, call)
        assert all(map(torch.equal, expected, found)), change.__name__
        assert len(expected) != len(before) or not all(map(torch.equal, expected, before)), change.__name__
        before = [tensor.clone() for tensor in expected]


def test_what_changes_all_the_time_ends_in_a_line_and_is_never_computed_eagerly():
    model, x = nn.Dropout(), torch.ones(5, 3)
    call = Compiled(model, graphs=1, backend="eager")
    for i in range(1 + SPARE):
        model.p = 0.01 * i
        call(x)
    model.p = 0.9
    with pytest.raises(BadInput, match=f"^compute.compile: the network was compiled {1 + SPARE} times in this run, .*"):
        call(x)
    assert Compiled(model, graphs=1, backend="eager")(x).shape == (5, 3), "another run begins anew"


class Iterates(nn.Module):
    def __init__(self):
        super().__init__()
        self.factors = iter([1.0, 2.0, 3.0])

    def forward(self, x):
        return x * next(self.factors)


def failing(graph, inputs):
    raise RuntimeError("there is no compiler here\nand more lines")


@pytest.mark.parametrize(
    ("model", "backend", "said"),
    [
        (nn.Identity(), failing, "RuntimeError: there is no compiler here"),
        (Iterates(), "eager", r".* File .*test_compile.py.*"),
    ],
)
def test_what_cannot_be_compiled_is_said_in_a_line(model, backend, said):
    with pytest.raises(BadInput) as raised:
        Compiled(model, backend=backend)(torch.ones(2, requires_grad=True))
    assert "\n" not in str(raised.value)
    expected = rf"compute\.compile: the network cannot be compiled \({said}\); compute\.compile=off trains without"
    assert re.fullmatch(expected, str(raised.value)), str(raised.value)


def test_a_compiler_that_is_switched_off_is_said_in_a_line():
    switched_off = torch._dynamo.config.patch(disable=True)  # monkeypatch would leave the key hidden behind it
    said = "^compute.compile: torch's compiler is switched off .TORCH_COMPILE_DISABLE."
    with switched_off, pytest.raises(BadInput, match=said):
        Compiled(nn.Identity(), backend="eager")(torch.ones(2))


# What is asked for


def test_it_is_part_of_the_identity_and_off_is_what_was_before():
    plain, on = compose(["compute=cpu"]), compose(["compute=cpu", "compute.compile=on"])
    assert "compile" not in job.hashed(plain)["compute"] and job.hashed(on)["compute"]["compile"] is True
    assert job.config_hash(plain) == job.config_hash(compose(["compute=cpu", "compute.compile=off"]))
    assert job.config_hash(plain) != job.config_hash(on)


def test_a_cpu_that_records_does_not_compile():
    with pytest.raises(BadInput, match="compute.compile: .* leave compute.capture=auto"):
        compute.resolve(compose(["compute=cpu", "compute.compile=on", "compute.capture=on"]).compute)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], 2),  # of 16 and of the 12 that are left over
        (["data.last_batch=drop"], 1),
        (["micro_batch=8", "norm=group"], 2),
        (["micro_batch=8", "norm=ghost_batch", "norm.ghost_batch_size=4"], 4),  # modules are told which part it is
    ],
)
def test_there_is_a_graph_for_each_size_or_part(make_run, overrides, expected):
    assert graphs(make_run("model=resnet8", "model.width=8", *overrides)) == expected


def test_a_run_of_too_many_sizes_is_refused(make_run):
    overrides = ["schedule.batch_size=multistep", "schedule.batch_size.at=[1,2,3,4,5]", "batch_size=7", "epochs=7",
                 "schedule.batch_size.factor=1.3"]  # fmt: skip
    assert graphs(make_run(*overrides)) > MOST
    with pytest.raises(BadInput, match="compute.compile: each of the .* sizes of a batch"):
        make_run(*overrides, "compute.compile=on")


def test_it_is_rehearsed_for_every_size_and_the_model_stays_as_it_was(make_run, monkeypatch, capsys):
    monkeypatch.delenv("TRICKTABLE_TOLD", raising=False)
    plain, run = make_run("model=resnet8"), make_run("model=resnet8", "compute.compile=on")
    asked = []
    monkeypatch.setattr(Compiled, "__call__", lambda self, x: asked.append(tuple(x.shape)) or self.model(x))
    before = state_of(run)
    compiled.rehearse(run)
    assert set(asked) == {(16, 1, 8, 8), (12, 1, 8, 8)} and not any(p.grad is not None for p in run.parameters)
    assert all(torch.equal(before[0][name], tensor) for name, tensor in state_of(run)[0].items())
    assert "compute.compile: compiling took 0 s, and saves this run about 0 s" in capsys.readouterr().err
    for each in (plain, run):
        list(train(each, lambda: None))
    check(plain, run)


@pytest.mark.long
def test_a_run_that_is_compiled_ends_as_one_that_is_interrupted(make_run):
    overrides = [
        *SMALL,
        "residual=stochastic_depth",
        "augment=[crop,mixup]",
        "augment.crop.pad=1",
        "compute.compile=on",
    ]
    check_resumed(make_run, overrides, "inductor")


@pytest.mark.long
@pytest.mark.parametrize("network", [["model=mobilenet_v2"], ["model=resnet8", "residual=shakedrop"]])
@pytest.mark.parametrize(("backend", "share"), [("aot_eager", 1e-4), ("inductor", 1e-2)])
def test_compiled_gradients_are_those_of_the_network(make_run, network, backend, share):
    """The noise is the same; a compiler adds in another order, by which a ReLU near 0 may open or close."""
    data = ["data=synthetic", "data.n_train=32", "data.n_test=20", "data.size=16", "data.subset=null", "batch_size=32"]
    runs = [make_run(*network, *data, "epochs=1") for _ in range(2)]
    gradients = []
    for run in (runs[0], by(backend, runs[1])):
        train_epoch(run, lambda: None)
        gradients.append({name: p.grad.double() for name, p in run.model.named_parameters()})
    size = max(g.norm() for g in gradients[0].values())
    assert all((gradients[1][name] - g).norm() < share * size for name, g in gradients[0].items())


@pytest.mark.long
def test_without_a_compiler_it_is_a_line_and_nothing_is_written(tricktable, tmp_path):
    arguments = ["train", "model=resnet8", "epochs=1", "compute=cpu", "compute.compile=on", "output.root=out"]
    cache = {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    done = tricktable(*arguments, env=cache)
    assert done.returncode == 2 and "compute.compile: the network cannot be compiled" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not list(
        tmp_path.glob(f"out/**/{RunFiles(tmp_path).info.name}")
    )

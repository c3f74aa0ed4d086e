"""The noise scale as a knob: who pays, that equal schedules are equal, and the paper's update counts by arithmetic."""

import math
import random

import pytest
import torch

from tricktable.runner.config.compose import compose, options
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build, memory, objects
from tricktable.runner.training.knobs import Knobs, Payer, time_constant
from tricktable.runner.training.train import train

N = 50_000
# arXiv:1711.00489, section 5.2: 200 epochs of 50,000 images, steps by 5 at epochs 60, 120 and 160, batches up to 5120.
UPDATES = {
    "decaying_lr": (78_200, 78_000),
    "hybrid": (34_520, 34_320),
    "increasing_batch": (29_240, 29_040),
    "increased_initial_lr": (6_500, 6_300),
    "increased_momentum": (2_360, 2_160),
}
BASE = {"lr": 0.1, "batch_size": 128, "momentum": 0.9}


def velocity(momentum):
    """The gain of SGD's momentum."""
    return 1 / (1 - momentum)


def knobs_of(*overrides, n=N):
    """A run's knobs without its network."""
    return build.plan(compose(overrides), n)


@pytest.mark.parametrize("name", options("noise"))
def test_updates_of_the_papers_schedules(name):
    kept = knobs_of(f"noise={name}", "epochs=200")
    dropped = knobs_of(f"noise={name}", "epochs=200", "data.last_batch=drop")
    assert (kept.updates(200), dropped.updates(200)) == UPDATES[name]


@pytest.mark.parametrize("name", options("noise"))
def test_the_papers_schedules_have_one_noise_scale(name):
    """All five pay with lr last: g is 390.625 at the beginning and falls by 5 three times, to 1e-6."""
    knobs = knobs_of(f"noise={name}", "epochs=200")
    for epoch in (0, 30.5, 59.99, 60, 100, 120, 159.9, 160, 199.9):
        expected = 390.625 * 0.2 ** sum(epoch >= at for at in (60, 120, 160))
        assert knobs.scales(knobs.at(epoch))["noise_scale"] == pytest.approx(expected, rel=1e-6)


def test_what_each_pays_in_the_papers_phases():
    """schedule_updates' phases: batch sizes, and lr where the cap of 5120 was reached."""
    phases = {
        "hybrid": [(128, 0.1), (640, 0.1), (640, 0.02), (640, 0.004)],
        "increasing_batch": [(128, 0.1), (640, 0.1), (3200, 0.1), (5120, 0.032)],
        "increased_initial_lr": [(640, 0.5), (3200, 0.5), (5120, 0.16), (5120, 0.032)],
        "increased_momentum": [(3200, 0.5), (5120, 0.16), (5120, 0.032), (5120, 0.0064)],
    }
    for name, expected in phases.items():
        knobs = knobs_of(f"noise={name}", "epochs=200")
        values = [knobs.at(epoch) for epoch in (0, 60, 120, 160)]
        assert [v["batch_size"] for v in values] == [b for b, _ in expected]
        assert [v["lr"] for v in values] == pytest.approx([lr for _, lr in expected])


@pytest.mark.parametrize("seed", range(30))
def test_declared_equal_is_equal(seed):
    """Any base values, payers and schedule: to 1e-6 where lr pays last, else within the rounding of B."""
    rng = random.Random(seed)
    base = {"lr": rng.uniform(0.01, 1), "batch_size": rng.randint(8, 500), "momentum": rng.uniform(0.3, 0.98)}
    smallest = rng.uniform(1e-3, 0.9)
    schedule = lambda t: smallest ** (t / 10)  # noqa: E731
    cap = base["batch_size"] * rng.uniform(1.5, 100)
    first = rng.choice(
        [[Payer("batch_size", cap)], [Payer("momentum")], [Payer("momentum", 0.1), Payer("batch_size", cap)], []]
    )
    for last in (Payer("lr"), Payer("batch_size")):
        payers = (*tuple(p for p in first if p.knob != last.knob), last)
        knobs = Knobs(base, {"noise_scale": schedule}, n=100_000, payers=payers, gain=velocity)
        declared = base["lr"] * 100_000 / (base["batch_size"] * (1 - base["momentum"]))
        for epoch in [rng.uniform(0, 10) for _ in range(20)]:
            values = knobs.at(epoch)
            tolerance = 1e-6 if last.knob == "lr" else 0.5 / (values["batch_size"] - 0.5) + 1e-9
            if payers[0].knob == "momentum" and values["momentum"] == 0 and last.knob != "lr":
                continue
            assert knobs.scales(values)["noise_scale"] == pytest.approx(declared * schedule(epoch), rel=tolerance)
            assert isinstance(values["batch_size"], int) and 0 <= values["momentum"] < 1


def test_both_forms_of_the_noise_scale():
    knobs = Knobs(BASE, {}, n=N, gain=velocity)
    scales = knobs.scales(knobs.at(0))
    assert scales["noise_scale"] == pytest.approx(0.1 * N / (128 * 0.1))
    assert scales["noise_scale_exact"] == pytest.approx(0.1 / 0.1 * (N / 128 - 1))
    assert scales["effective_lr"] == pytest.approx(1.0)
    whole = {"lr": 0.1, "batch_size": N}
    assert Knobs(whole, {}, n=N, gain=velocity).scales(whole)["noise_scale_exact"] == 0


def test_momentum_pays():
    """g falls by 2 where 1 - m doubles."""
    knobs = Knobs(BASE, {"noise_scale": lambda t: 0.5}, n=N, payers=(Payer("momentum"),), gain=velocity)
    assert knobs.at(0)["momentum"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("overrides", "gain"),
    [
        (["optimizer=sgd"], 10),
        (["optimizer=sgd", "optimizer.dampening=0.9"], 1),
        (["optimizer=sgdw"], 10),
        (["optimizer=adam"], 1),
        (["optimizer=adamw"], 1),
        (["optimizer=adagrad"], 1),
        (["optimizer=rmsprop", "optimizer.momentum=0.5"], 2),
        (["optimizer=lookahead"], 5),
        (["optimizer=[lookahead,adam]", "optimizer.alpha=0.8"], 0.8),
    ],
)
def test_the_effective_rate_is_by_the_optimizers_own_momentum(overrides, gain):
    """Adam at 1e-3 has 1e-3 and not 1e-2: its momentum is a moving average."""
    knobs = knobs_of(*overrides, "schedule.lr=null")
    scales, lr = knobs.scales(knobs.at(0)), knobs.base["lr"]
    assert scales["effective_lr"] == pytest.approx(lr * gain)
    assert scales["noise_scale"] == pytest.approx(lr * gain * N / 128)
    assert scales["noise_scale_exact"] == pytest.approx(lr * gain * (N / 128 - 1))


def unknown(monkeypatch):
    """In the place of every optimizer: torch's SGD, which does not say what its momentum comes to."""

    class Silent(torch.optim.SGD):
        def __init__(self, groups, lr=0.1, momentum=0.9, weight_decay=1e-4, dampening=0.0, nesterov=False):
            super().__init__(groups, lr, momentum, dampening, weight_decay, nesterov)

    real = objects.target
    monkeypatch.setattr(objects, "target", lambda folder, name: Silent if "optimizer" in folder else real(folder, name))


def test_where_the_gain_is_not_known_there_is_no_noise_scale(monkeypatch, make_run):
    unknown(monkeypatch)
    run = make_run("epochs=1")
    (row,) = (row.plain() for row in train(run, lambda: None))
    assert row["lr"] and [row[name] for name in ("noise_scale", "noise_scale_exact", "effective_lr")] == [None] * 3


def test_where_the_gain_is_not_known_a_schedule_of_the_noise_scale_is_still_paid(monkeypatch):
    known = knobs_of("noise=hybrid", "epochs=200")
    capped = knobs_of("schedule.noise_scale=step", "noise.spend=[{batch_size: 12800}]")
    unknown(monkeypatch)
    times = (0, 59, 60, 130, 170)
    assert [known.at(t) for t in times] == [knobs_of("noise=hybrid", "epochs=200").at(t) for t in times]
    again = knobs_of("schedule.noise_scale=step", "noise.spend=[{batch_size: 12800}]")
    assert [again.unpaid(t) for t in times] == pytest.approx([capped.unpaid(t) for t in times])
    with pytest.raises(BadInput, match=r"^noise\.spend: at epoch 10 all payers are at their caps"):
        knobs_of("schedule.noise_scale=step", "noise.spend=[{batch_size: 256}]")


def test_a_momentum_that_does_not_make_the_noise_cannot_pay_for_it(monkeypatch):
    spend = ["schedule.noise_scale=step", "schedule.noise_scale.factor=0.5", "noise.spend=[momentum]"]
    for overrides in ([], ["optimizer.dampening=0.5"], ["optimizer=lookahead"], ["optimizer=lars"]):
        assert knobs_of(*spend, *overrides).at(10)["momentum"] == pytest.approx(0.8)
    for overrides in (["optimizer=adam"], ["optimizer=[lookahead,adam]"]):
        with pytest.raises(BadInput, match=r"^noise\.spend: momentum cannot pay"):
            knobs_of(*spend, *overrides)
    unknown(monkeypatch)
    with pytest.raises(BadInput, match=r"^noise\.spend: momentum cannot pay"):
        knobs_of(*spend)


def test_the_time_constant():
    assert time_constant(0.9) == pytest.approx(-1 / math.log(0.9))
    assert 0.9 ** time_constant(0.9) == pytest.approx(1 / math.e)
    assert time_constant(0) == 0


@pytest.mark.parametrize(("rule", "factor"), [("linear", 4.0), ("sqrt", 2.0)])
def test_the_rate_scales_with_the_batch(rule, factor):
    """Goyal et al. 2017 (arXiv:1706.02677): lr is for 256 images; with a growing batch it grows."""
    overrides = ["batch_size=256", f"scale_with_batch={rule}", "schedule.lr=null", "schedule.batch_size=multistep",
                 "schedule.batch_size.at=[1]", "schedule.batch_size.factor=4"]  # fmt: skip
    knobs = knobs_of(*overrides)
    assert knobs.at(0)["lr"] == pytest.approx(0.1) and knobs.at(1)["lr"] == pytest.approx(0.1 * factor)
    assert knobs_of("batch_size=1024", f"scale_with_batch={rule}").at(0)["lr"] == pytest.approx(0.1 * factor)


@pytest.mark.parametrize("optimizer", ["sgdw", "adamw"])
@pytest.mark.parametrize("rule", ["linear", "sqrt"])
def test_a_decay_that_follows_the_schedule_does_not_scale_with_the_batch(make_run, optimizer, rule):
    """Loshchilov & Hutter 2019 (arXiv:1711.05101): a step takes eta_t lambda = 0.1 off w, with a batch of 4 times too."""
    run = make_run(f"optimizer={optimizer}", "optimizer.normalized=false", "optimizer.weight_decay=0.1", "batch_size=16",
                   f"scale_with_batch={rule}", "reference_batch=4", "schedule.lr=multistep", "schedule.lr.at=[1]")  # fmt: skip
    w = run.model.head.weight
    for epoch, eta in ((0, 1.0), (1, 0.1)):
        run.clock.epoch, before = epoch, w.detach().clone()
        run.set_knobs()
        (group,) = run.optimizer.param_groups
        assert group["lr"] == pytest.approx(run.knobs.base["lr"] * eta * {"linear": 4, "sqrt": 2}[rule])
        w.grad = torch.zeros_like(w)
        run.optimizer.step()
        torch.testing.assert_close(w.detach(), (1 - eta * 0.1) * before)


def test_what_lr_pays_for_the_noise_scale_is_its_schedule():
    steps = [
        "schedule.noise_scale=multistep",
        "schedule.noise_scale.at=[60,120,160]",
        "schedule.noise_scale.factor=0.2",
    ]
    knobs = knobs_of(*steps, "noise.spend=[{batch_size: 640}, lr]", "epochs=200", "optimizer=adamw")
    assert [knobs.lr_factor(t) for t in (0, 60, 120, 160)] == pytest.approx([1, 1, 0.2, 0.04])
    batch_pays = knobs_of("schedule.noise_scale=step", "noise.spend=[batch_size]", "optimizer=adamw")
    assert batch_pays.at(10)["batch_size"] == 1280 and batch_pays.lr_factor(10) == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["noise.spend=[lr]"], "noise.spend: there is nothing to pay for"),
        (["schedule.noise_scale=step", "noise.spend=[lr,lr]"], "noise.spend: expected each of"),
        (["schedule.noise_scale=step", "noise.spend=[weight_decay]"], "noise.spend: expected each of"),
        (["schedule.noise_scale=step", "noise.spend=[]"], "noise.spend: expected at least one"),
        (["schedule.noise_scale=step", "noise.spend=[{batch_size: many}]"], "noise.spend: expected each of"),
        (["schedule.noise_scale=step", "schedule.lr=cosine"], "schedule.lr: lr pays for the noise scale"),
        (["schedule.noise_scale=step", "noise.spend=[momentum]", "optimizer.momentum=0"], "noise.spend: the optimizer has zero momentum"),
        (["schedule.noise_scale=step", "noise.spend=[momentum]", "optimizer=adagrad"], "noise.spend: the optimizer has no momentum"),
        (["schedule.noise_scale=step", "noise.spend=[{batch_size: 64}, lr]"], "noise.spend: the cap 64 of batch_size leaves it nothing"),
        (["schedule.noise_scale=step", "noise.spend=[{batch_size: 256}]"], "noise.spend: at epoch 10 all payers are at their caps"),
        (["schedule.noise_scale=step", "noise.spend=[momentum]"], "noise.spend: at epoch 20 all payers are at their caps"),
        (["schedule.noise_scale=cosine", "noise.spend=[batch_size]"], "noise.spend: the batch grows to "),
        (["schedule.noise_scale=step", "scale_with_batch=linear"], "scale_with_batch: schedule.noise_scale already says"),
        (["schedule.batch_size=multistep", "schedule.batch_size.at=[3]", "schedule.batch_size.factor=1000", "data.last_batch=drop"], "schedule.batch_size: grows to 128000"),
        (["optimizer=adam_2k", "epochs=5"], "optimizer: steps must be less than the run's 1955 updates, got 2000"),
        (["optimizer=adam_2k", "epochs=6", "schedule.batch_size=multistep", "schedule.batch_size.at=[1]", "schedule.batch_size.factor=2"], "optimizer: steps must be less than the run's 1371 updates"),
        (["optimizer=adam_2k", "epochs=6", "schedule.noise_scale=step", "schedule.noise_scale.every=1", "schedule.noise_scale.factor=0.5", "noise.spend=[batch_size]"], "optimizer: steps must be less than the run's "),
        (["optimizer=adam_2k", "epochs=6", "batch_size=150", "data.last_batch=drop"], "optimizer: steps must be less than the run's 1998 updates"),
        (["optimizer=lookahead", "optimizer.k=392", "epochs=1"], "optimizer: k must be at most the run's 391 updates, got 392"),
        (["schedule.noise_scale=nothing"], "schedule.noise_scale: nothing is called nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_paid_is_one_line(overrides, said):
    with pytest.raises(BadInput) as error:
        knobs_of(*overrides)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_a_schedule_of_the_noise_scale_takes_the_place_of_the_rates():
    assert set(compose(["schedule.noise_scale=step"]).schedule) == {"noise_scale"}
    assert set(compose(["noise=hybrid"]).schedule) == {"noise_scale"}
    typed = compose(["noise=hybrid", "batch_size=64", "optimizer.lr=0.02", "schedule.noise_scale.at=[3]"])
    assert (typed.batch_size, typed.optimizer.arguments["lr"]) == (64, 0.02)
    assert typed.schedule["noise_scale"].arguments["at"] == [3] and "hybrid" in typed.label


def test_a_run_that_is_resumed_anywhere_has_the_same_knobs(make_run):
    """Nothing of a schedule is saved: at any sample of an epoch, what follows is a function of the clock."""
    overrides = ("schedule.noise_scale=polynomial", "noise.spend=[{batch_size: 20}, lr]", "batch_size=6")
    whole = make_run(*overrides)
    for epoch in range(3):
        steps = [(start, whole.knobs.at(epoch + start / 60)) for start, _ in whole.knobs.batches(epoch)]
        for i, (start, _) in enumerate(steps):
            resumed = make_run(*overrides) if i == 1 else whole
            resumed.clock.epoch, resumed.clock.position = epoch, start
            assert resumed.set_knobs() == steps[i][1]
            tail = [(s, resumed.knobs.at(epoch + s / 60)) for s, _ in resumed.knobs.batches(epoch, start)]
            assert tail == steps[i:]


def test_memory_that_does_not_suffice_is_halved_until_it_does():
    tried = []

    def attempt(images):
        tried.append(images)
        if images > 700:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert memory.fitting(5120, attempt) == 640 and tried == [5120, 2560, 1280, 640]
    assert memory.fitting(640, attempt) == 640
    with pytest.raises(RuntimeError, match="else"):
        memory.fitting(8, lambda images: (_ for _ in ()).throw(RuntimeError("something else")))

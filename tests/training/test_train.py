"""The loop, in this process: rows, knobs, targets, noise, divergence, precision."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.tricks.test_every_trick import check
from tricktable.runner import randomness
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.summary import Result
from tricktable.runner.errors import BadInput
from tricktable.runner.training import augmented, memory
from tricktable.runner.training.evaluate import FIGURES, evaluate, results
from tricktable.runner.training.train import train

ROW = [
    "epoch", "samples", "updates", "lr", "batch_size", "momentum", "weight_decay", "noise_scale",
    "noise_scale_exact", "effective_lr", "train_loss", "train_error", "val_loss",
    "val_error", "test_loss", "test_error", "images_per_second",
]  # fmt: skip


def rows_of(run):
    return [row.plain() for row in train(run, lambda: None)]


def test_a_run_yields_a_row_an_epoch(make_run):
    run = make_run("data.validation=30")
    rows = rows_of(run)
    assert [list(row) for row in rows] == [ROW] * 3
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["samples"] for row in rows] == [60, 120, 180]
    assert [row["updates"] for row in rows] == [4, 8, 12]
    assert all(math.isfinite(v) for row in rows for v in row.values())
    assert run.variants == {"final": [run.model]}


def test_the_first_step_is_plain_sgd(make_run):
    """One step against the same step written out: order, normalisation, loss, momentum, coupled decay."""
    run = make_run(
        "batch_size=60", "epochs=1", "schedule.lr=constant", "optimizer.lr=0.05", "optimizer.weight_decay=0.01"
    )
    before = {k: v.clone() for k, v in run.model.named_parameters()}
    images, labels = run.splits.train.images.double(), run.splits.train.labels
    mean, std = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), correction=0, keepdim=True)
    order = torch.randperm(60, generator=randomness.generator(0, "order", 0))
    x = ((images - mean) / std).float()[order]
    run.model.train()
    loss = F.cross_entropy(run.model(x), labels[order])
    gradients = torch.autograd.grad(loss, list(run.model.parameters()))
    for module in run.model.modules():  # the forward pass above has moved the running averages
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    (row,) = rows_of(run)
    for (name, parameter), gradient in zip(run.model.named_parameters(), gradients, strict=True):
        expected = before[name] - 0.05 * (gradient + 0.01 * before[name])
        torch.testing.assert_close(parameter.detach(), expected, atol=1e-5, rtol=1e-4)
    assert row["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_the_same_seed_is_the_same_run_and_another_is_not(make_run):
    first, same, other = (make_run("augment=[crop,mixup]", f"seed={s}") for s in (0, 0, 1))
    one, two, three = (rows_of(run) for run in (first, same, other))
    for a, b in zip(one, two, strict=True):
        assert {k: v for k, v in a.items() if k != "images_per_second"} == {
            k: v for k, v in b.items() if k != "images_per_second"
        }
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.model.state_dict().values(), same.model.state_dict().values(), strict=True)
    )
    assert one[0]["train_loss"] != three[0]["train_loss"]


def test_another_trick_does_not_move_the_draws_of_the_first(make_run):
    """Each trick has a stream of its own, by its name."""
    seen = {}
    for overrides in (["augment=[crop]"], ["augment=[crop,mixup]"]):
        run = make_run(*overrides, "epochs=1")
        crop = run.augment["crop"]
        original = crop.sample
        crop.sample = lambda n, rng, original=original, key=str(overrides): seen.setdefault(key, original(n, rng))
        rows_of(run)
    first, second = (value if isinstance(value, tuple) else (value,) for value in seen.values())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_global_generators_do_not_matter(make_run):
    torch.manual_seed(1)
    first = make_run("augment=[crop]")
    rows_of(first)
    torch.manual_seed(2)
    torch.rand(1000)
    second = make_run("augment=[crop]")
    rows_of(second)
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_noise_in_the_network_is_keyed_by_the_step(make_run):
    class Noisy(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model, self.seen = model, []

        def forward(self, x):
            if self.training:
                self.seen.append(torch.rand(1).item())
            return self.model(x)

    runs = [make_run(), make_run()]
    for run in runs:
        run.model = run.network = Noisy(run.model)
        rows_of(run)
    assert runs[0].model.seen == runs[1].model.seen
    assert len(set(runs[0].model.seen)) == 12


def test_knobs_move_every_parameter_group(make_run):
    run = make_run("groups=no_decay", "schedule.lr=multistep", "schedule.lr.at=[1]", "optimizer.weight_decay=0.5")
    rows = rows_of(run)
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.01, 0.01])
    decays = sorted(group["weight_decay"] for group in run.optimizer.param_groups)
    assert decays == [0.0, 0.5]
    assert all(group["lr"] == pytest.approx(0.01) for group in run.optimizer.param_groups)


def test_momentum_and_decay_have_schedules_too(make_run):
    run = make_run(
        "schedule.momentum=multistep",
        "schedule.momentum.at=[1]",
        "schedule.weight_decay=multistep",
        "schedule.weight_decay.at=[2]",
    )
    rows = rows_of(run)
    assert [row["momentum"] for row in rows] == pytest.approx([0.9, 0.09, 0.09])
    assert [row["weight_decay"] for row in rows] == pytest.approx([1e-4, 1e-4, 1e-5])
    assert run.optimizer.param_groups[0]["momentum"] == pytest.approx(0.09)


def test_a_growing_batch(make_run):
    run = make_run(
        "batch_size=10", "schedule.batch_size=multistep", "schedule.batch_size.at=[1]", "schedule.batch_size.factor=3"
    )
    assert [(row["batch_size"], row["updates"]) for row in rows_of(run)] == [(10, 6), (30, 8), (30, 10)]


@pytest.mark.parametrize(("rate", "epoch"), [("1e30", 1), ("1e12", 1)])
def test_divergence_is_found_with_its_update(make_run, rate, epoch):
    run = make_run(f"optimizer.lr={rate}")
    rows = rows_of(run)
    assert run.diverged and 1 <= run.diverged <= run.clock.updates
    assert len(rows) < 3 or run.diverged > 8


def test_the_first_bad_update_is_counted_on_the_device(make_run):
    run = make_run("epochs=1")
    original, calls = run.loss, []

    def loss(logits, targets, images):
        calls.append(None)
        return original(logits, targets, images) * (math.nan if len(calls) == 3 else 1.0)

    run.loss = loss
    rows_of(run)
    assert run.diverged == 3


def test_a_run_resumes_in_the_middle_of_an_epoch_with_the_same_bits(make_run):
    overrides = [
        "augment=[crop,mixup]",
        "hook=[ema]",
        "gradient=[clip_norm]",
        "schedule.lr=[warmup,multistep]",
        "schedule.lr.epochs=1",
    ]
    whole = make_run(*overrides)
    expected = rows_of(whole)
    for stop in range(1, 12):
        first, second = make_run(*overrides), make_run(*overrides)

        class Stop(Exception):
            pass

        def edge(first=first, stop=stop, error=Stop):
            if first.clock.updates == stop and first.model.training:
                raise error

        rows = []
        with pytest.raises(Stop):
            rows.extend(row.plain() for row in train(first, edge))
        tensors, plain = first.state()
        second.load({k: v.clone() for k, v in tensors.items()}, plain)
        rows = expected[: second.clock.epoch] + [row.plain() for row in train(second, lambda: None)]
        for a, b in zip(whole.state()[0].items(), second.state()[0].items(), strict=True):
            assert a[0] == b[0] and torch.equal(a[1], b[1]), f"{a[0]} differs after a stop at {stop}"
        for a, b in zip(expected, rows, strict=True):
            assert {k: v for k, v in a.items() if k != "images_per_second"} == {
                k: v for k, v in b.items() if k != "images_per_second"
            }


@pytest.mark.parametrize(
    "optimizer", ["sgd", "[sam,sgd]", "[asam,lookahead,sgd]", "muon", "lion", "adabelief", "swats"]
)
def test_nothing_in_an_epoch_waits_for_the_device(make_run, optimizer):
    """No tensor's value is read back within the steps of an epoch: on a GPU each would stop the queue."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from tricktable.runner.training.train import train_epoch

    class NoReading(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert "_local_scalar_dense" not in str(func), "a value was read back"
            assert "nonzero" not in str(func) or "nonzero_static" in str(func), "a shape depends on values"
            return func(*args, **(kwargs or {}))

    overrides = ["augment=[crop,flip,mixup]", "hook=[ema]", "gradient=[centralize,clip_norm]", "penalty=[l2]"]
    overrides += ["groups=no_decay", f"optimizer={optimizer}"]
    run = make_run(*overrides)
    rows_of(make_run(*overrides))  # what torch does once is done
    train_epoch(run, lambda: None)
    run.clock.epoch, run.clock.position = 1, 0
    with NoReading():
        train_epoch(run, lambda: None)


def test_evaluation_is_the_mean_over_the_split(make_run):
    run = make_run()
    rows_of(run)
    split = run.splits.test
    run.model.eval()
    with torch.no_grad():
        logits = run.model(run.prepare(split.images))
    loss, error = evaluate(run, run.model, split)
    assert loss == pytest.approx(F.cross_entropy(logits, split.labels).item(), rel=1e-5)
    assert error == pytest.approx(100 * (logits.argmax(1) != split.labels).double().mean().item())


def test_results_are_every_variant_by_every_inference(make_run):
    run = make_run("hook=[ema]", "inference=[plain,flip]", "data.validation=20")
    last = rows_of(run)[-1]
    for hook in run.hook.values():
        hook.finish(run)
    rows = results(run, EpochRow.of(last))
    figures = {k: last[k] for k in FIGURES} | {"test_top5_error": rows[0].test_top5_error}
    assert rows[0] == Result(variant="final", inference="plain", **figures)
    assert rows[0].test_loss == evaluate(run, run.model, run.splits.test)[0]
    assert [(r.variant, r.inference) for r in rows] == [
        ("final", "plain"), ("final", "flip"), ("ema", "plain"), ("ema", "flip")
    ]  # fmt: skip
    assert all({"val_loss", "val_error", "test_loss", "test_error"} <= set(r.plain()) for r in rows)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_with_fp32_weights(make_run, precision):
    run = make_run(f"compute.precision={precision}")
    rows = rows_of(run)
    assert all(p.dtype == torch.float32 for p in run.model.state_dict().values() if p.is_floating_point())
    assert math.isfinite(rows[-1]["test_loss"]) and rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert (run.scaler is not None) == (precision == "fp16")


def test_fp16_saves_its_loss_scale(make_run):
    run, other = make_run("compute.precision=fp16"), make_run("compute.precision=fp16")
    rows_of(run)
    run.scaler.update(1024.0)
    tensors, plain = run.state()
    other.load(tensors, plain)
    assert other.scaler.get_scale() == 1024.0


def test_an_optimizer_that_asks_twice_moves_the_running_averages_once(make_run):
    """SAM's step against itself written out: the penalty in both gradients, figures and buffers of the first."""
    arguments = ["batch_size=60", "epochs=1", "schedule.lr=constant", "penalty=[l2]", "penalty.l2.strength=0.1"]
    run = make_run(*arguments, "optimizer=[sam,sgd]", "optimizer.rho=0.5", "optimizer.inner.lr=0.05")
    plain = make_run(*arguments, "optimizer.lr=0.05")
    weights = {k: v.detach().clone() for k, v in run.model.named_parameters()}

    def gradients(at):
        with torch.no_grad():
            for name, parameter in plain.model.named_parameters():
                parameter.copy_(at[name])
        order = torch.randperm(60, generator=randomness.generator(0, "order", 0))
        x, labels = plain.prepare(plain.splits.train.images[order]), plain.splits.train.labels[order]
        loss = F.cross_entropy(plain.model.train()(x), labels)
        due = loss + plain.penalty["l2"].loss(plain.model)
        return loss.item(), dict(zip(weights, torch.autograd.grad(due, list(plain.model.parameters())), strict=True))

    loss, g = gradients(weights)
    buffers = [b.clone() for b in plain.model.buffers()]
    norm = torch.cat([each.flatten() for each in g.values()]).norm()
    _, there = gradients({k: w + 0.5 * g[k] / norm for k, w in weights.items()})
    (row,) = rows_of(run)
    for name, parameter in run.model.named_parameters():
        expected = weights[name] - 0.05 * (there[name] + 1e-4 * weights[name])
        torch.testing.assert_close(parameter.detach(), expected, atol=1e-5, rtol=1e-4)
    for found, buffer in zip(run.model.buffers(), buffers, strict=True):
        torch.testing.assert_close(found, buffer)
    assert {int(b) for b in run.model.buffers() if not b.is_floating_point()} == {1}
    assert row["train_loss"] == pytest.approx(loss, rel=1e-5)


def test_an_optimizer_that_asks_twice_meets_the_same_noise(make_run):
    run, seen = make_run("epochs=1", "optimizer=[sam,sgd]"), []
    run.model.register_forward_pre_hook(lambda model, _: seen.append(torch.rand(1).item()) if model.training else None)
    rows_of(run)
    assert len(seen) == 8 and seen[::2] == seen[1::2] and len(set(seen)) == 4


@pytest.mark.parametrize("optimizer", ["[sam,sgd]", "[asam,lookahead,sgd]"])
def test_fp16_with_an_optimizer_that_asks_twice_is_refused(make_run, optimizer):
    with pytest.raises(BadInput, match=r"^compute\.precision: fp16 scales one gradient a step"):
        make_run("compute.precision=fp16", f"optimizer={optimizer}")


def test_a_bad_second_gradient_is_found_as_divergence(make_run):
    run = make_run("epochs=1", "optimizer=[sam,sgd]")
    original, calls = run.loss, []

    def loss(logits, targets, images):
        calls.append(None)
        return original(logits, targets, images) * (math.nan if len(calls) == 4 else 1.0)

    run.loss = loss
    rows_of(run)
    assert run.diverged == 3, "the second step's weights are nan, and the third step's loss"


def test_channels_last_is_only_a_layout(make_run):
    runs = [make_run(f"compute.channels_last={value}", "epochs=1") for value in ("true", "false")]
    losses = [rows_of(run)[0]["train_loss"] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert runs[0].model.state_dict().keys() == runs[1].model.state_dict().keys()


def test_every_seam_is_filled_from_the_config(make_run, monkeypatch):
    """norm, residual and head by their inhabitants; conv, which has none yet, by one that the test puts there."""
    from tricktable.runner.config.schema import Option
    from tricktable.runner.training import build, objects

    made = []

    class Doubled(nn.Conv2d):
        def __init__(self, *sizes, scale: float = 2.0, **options):
            super().__init__(*sizes, **options)
            self.scale = scale
            made.append(self)

        def forward(self, x):
            return self.scale * super().forward(x)

    target, compose = objects.target, build_config
    monkeypatch.setattr(
        objects, "target", lambda folder, name: Doubled if folder == "tricks/conv" else target(folder, name)
    )
    config = compose("norm=batch", "residual=sum", "head=linear", "norm.eps=0.25", "head.bias=false")
    config = type(config)(**{**vars(config), "conv": Option("doubled", {"scale": 3.0})})
    model = build.build_model(config, 1, 10)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert (
        convolutions
        and all(isinstance(m, Doubled) and m.scale == 3.0 for m in convolutions)
        and len(made) == len(convolutions)
    )
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.25}
    assert model.head.bias is None
    assert sum(type(m).__name__ == "Sum" for m in model.modules()) == 3


def build_config(*overrides):
    from tricktable.runner.config.compose import compose

    return compose(["model=resnet8", *overrides])


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The overrides for 16 + 6 files of 24x20 pixels, which are streamed at 16x16."""
    from PIL import Image

    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    rng = torch.Generator().manual_seed(0)
    for split, n in (("train", 8), ("val", 3)):
        for label in ("cat", "dog"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = torch.randint(0, 256, (20, 24, 3), generator=rng, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")
    return [
        "data=image_folder", f"data.path={tmp_path / 'images'}", "data.stream=true", "data.size=16", "data.subset=null",
        "batch_size=5", "epochs=2",
    ]  # fmt: skip


def in_memory(overrides):
    return [text.replace("data.stream=true", "data.stream=false") for text in overrides]


def test_a_stream_is_cropped_once_if_asked_and_else_not_at_all(make_run, pictures):
    """What the network sees, with the crop in the list and without, of streamed and of stored images."""
    for augment in ("[]", "[random_resized_crop]"):
        run = make_run(*pictures, f"augment={augment}")
        order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
        tables, crop = augmented.begin(run, order, 1)
        assert not tables and (crop is None) == (augment == "[]")
        images, labels = next(iter(run.splits.train.draw([(0, 5)], order, crop)))
        x, _ = augmented.batch(run, images, labels, augmented.rows(tables, 0, 5))
        assert torch.equal(x, run.prepare(images))
        evaluated, _ = next(iter(run.splits.train.draw([(0, 5)], order)))
        assert torch.equal(images, evaluated) == (augment == "[]")
        if crop is not None:
            table = augmented.tables(run.augment, order, 1, seed=run.seed, device=run.compute.device)
            assert torch.equal(crop.drawn, table["random_resized_crop"]), "the draws of a set in memory"
    stored = make_run(*in_memory(pictures), "augment=[random_resized_crop]")
    tables, crop = augmented.begin(stored, order, 1)
    assert crop is None and list(tables) == ["random_resized_crop"]


def test_a_crop_behind_another_trick_is_refused_for_a_stream(make_run, pictures):
    with pytest.raises(BadInput, match=r"^augment\.random_resized_crop: .* put it first$"):
        make_run(*pictures, "augment=[flip,random_resized_crop]")
    assert make_run(*in_memory(pictures), "augment=[flip,random_resized_crop]")


@pytest.mark.parametrize("augment", ["[flip]", "[random_resized_crop,flip,mixup]"])
def test_a_stream_trains_and_resumes_with_the_same_bits(make_run, pictures, augment):
    """Files that are decoded while training, cropped at random: the same draw signature, the same promises."""
    whole, first, second = (make_run(*pictures, f"augment={augment}") for _ in range(3))
    assert type(whole.splits.train).__name__ == "Stream" and whole.splits.train.shape == (3, 16, 16)
    expected = rows_of(whole)

    def edge():
        if first.clock.updates == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(first, edge))
    second.load(*first.state())
    rows = rows_of(second)
    assert rows[-1]["test_loss"] == expected[-1]["test_loss"]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True))


@pytest.mark.parametrize("penalty", ["l2", "l1", "orthogonal"])
def test_a_decoupled_penalty_is_given_each_weights_own_rate(make_run, monkeypatch, penalty):
    run = make_run("groups=layerwise", "groups.decay=0.5", f"penalty=[{penalty}]", f"penalty.{penalty}.decoupled=true", "epochs=1",
                   "scale_with_batch=linear", "reference_batch=8", "schedule.lr=linear")  # fmt: skip
    given, trick = [], run.penalty[penalty]
    real = trick.after_step
    monkeypatch.setattr(trick, "after_step", lambda model, lr: (given.append(dict(lr)), real(model, lr)))
    rows_of(run)
    assert len(given) == 4 and all(set(lr) == set(run.model.parameters()) for lr in given)
    for lr, start in zip(given, (0, 16, 32, 48), strict=True):
        expected = {
            p: run.knobs.at(start / 60)["lr"] * g["lr_scale"] for g in run.optimizer.param_groups for p in g["params"]
        }
        assert lr == pytest.approx(expected) and len(set(lr.values())) == len(run.optimizer.param_groups)


def test_a_scalar_with_no_rate_does_not_decay(make_run):
    run = make_run("norm=none", "init=[fixup]", "groups=scalar_lr", "groups.lr_scale=0", "groups.by=elements", "penalty=[l2]",
                   "penalty.l2.decoupled=true", "penalty.l2.strength=1")  # fmt: skip
    scalars = [p for p in run.model.parameters() if p.numel() == 1]
    before = [p.item() for p in scalars]
    rows_of(run)
    assert before == [p.item() for p in scalars] and 1.0 in before


def test_the_first_step_of_lars_on_gammas_that_decay_to_1(make_run):
    """gamma = 1 + delta, and delta begins at 0: the rate is by |gamma|, as for a gamma that decays to 0."""
    steps = []
    for target in (0, 1):
        run = make_run("optimizer=lars", "optimizer.weight_decay=0", "groups=norm_decay", f"groups.target={target}", "epochs=1", "schedule.lr=null",
                       "batch_size=60")  # fmt: skip
        rows_of(run)
        steps.append([m.weight.detach() - 1 for m in run.model.modules() if isinstance(m, nn.BatchNorm2d)])
    assert all(step.abs().max() > 1e-4 for step in steps[0])
    for a, b in zip(*steps, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "lars", "sgd_corrected", "lookahead"])
def test_penalties_on_gammas_that_are_computed_resume_with_the_same_bits(make_run, tmp_path, optimizer):
    overrides = [f"optimizer={optimizer}", "groups=norm_decay", "penalty=[l2]", "penalty.l2.decoupled=true", "penalty.l2.strength=0.1",
                 "schedule.lr=[warmup,step]", "schedule.lr.epochs=1", "epochs=2", "model.width=8"]  # fmt: skip
    check(make_run, overrides, tmp_path / "run")


NORMS = {
    "ghost_batch": ["norm.ghost_batch_size=4"],
    "batch_group": ["norm.examples_per_group=4"],
    "group": [],
}


@pytest.mark.parametrize("norm", NORMS)
def test_micro_batches_take_the_same_step(make_run, norm):
    """The parts' gradients add up to the batch's, penalties count once, and running averages move once a batch.

    Of the 60 images, the last batch is smaller, and so is its last part.
    """
    overrides = [f"norm={norm}", *NORMS[norm], "penalty=[l2]", "penalty.l2.strength=0.01", "gradient=[clip_norm]",
                 "batch_size=22", "augment=[mixup]", "epochs=1"]  # fmt: skip
    whole, parts = make_run(*overrides), make_run(*overrides, "micro_batch=8")
    (row,), (other,) = rows_of(whole), rows_of(parts)
    expected, tensors = whole.model.state_dict(), parts.model.state_dict()
    assert (norm == "group") == (not any("running_mean" in name for name in expected))
    for name, tensor in expected.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=1e-4, atol=1e-5)
    for figure in ("train_loss", "test_loss"):
        assert other[figure] == pytest.approx(row[figure], rel=1e-4)
    assert other["updates"] == row["updates"] == 3


@pytest.mark.parametrize(
    "residual", ["stochastic_depth", "shakedrop", "shakedrop residual.level=batch residual.type=B"]
)
def test_a_batch_has_one_draw_however_many_its_parts(make_run, monkeypatch, residual):
    """What is drawn for a batch is equal in all its parts, and new for the next batch."""
    overrides = [*f"residual={residual}".split(), "norm=group", "batch_size=20", "micro_batch=8", "epochs=1"]
    run = make_run(*overrides, "residual.p_last=0.5", "residual.rule=uniform")
    gates = []
    uniform, bernoulli = torch.rand, torch.Tensor.bernoulli_

    def recorded(draw):
        def record(*arguments, **named):
            drawn = draw(*arguments, **named)
            if drawn.numel() == 1:
                gates.append((run.clock.updates, float(drawn)))
            return drawn

        return record

    monkeypatch.setattr(torch, "rand", recorded(uniform))
    monkeypatch.setattr(torch.Tensor, "bernoulli_", recorded(bernoulli))
    list(train(run, lambda: None))
    blocks = 3
    drawn = [[value for update, value in gates if update == batch] for batch in range(3)]
    assert [len(of_batch) for of_batch in drawn] == [blocks] * 3  # once, with the first of three parts
    assert drawn[0] != drawn[1] or drawn[1] != drawn[2]


def test_an_update_of_batch_wide_noise_is_the_whole_batchs(make_run):
    """Stochastic depth drops the same blocks for all parts, and so takes the step that the whole batch would."""
    overrides = ["residual=stochastic_depth", "residual.p_last=0.5", "norm=ghost_batch", "norm.ghost_batch_size=4",
                 "batch_size=20"]  # fmt: skip
    whole, parts = make_run(*overrides), make_run(*overrides, "micro_batch=8")
    rows, others = rows_of(whole), rows_of(parts)
    assert others[-1]["test_loss"] == pytest.approx(rows[-1]["test_loss"], rel=1e-3)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "micro_batch: BatchNorm2d normalises over the whole batch"),
        (["norm=ghost_batch", "norm.ghost_batch_size=6"], "micro_batch: GhostBatchNorm normalises over 6 images"),
        (["norm=batch_group"], "micro_batch: BatchGroupNorm normalises over the whole batch"),
        (["norm=batch_renorm"], "micro_batch: BatchRenorm"),
    ],
)
def test_micro_batches_that_would_change_the_statistics_are_refused(make_run, overrides, said):
    with pytest.raises(BadInput) as error:
        make_run("micro_batch=8", *overrides)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("overflows", [False, True])
def test_a_decoupled_penalty_leaves_out_what_an_fp16_step_leaves_out(make_run, overflows):
    run = make_run("epochs=1", "batch_size=60", "compute.precision=fp16", "penalty=[l1]", "penalty.l1.decoupled=true")
    before, called = [p.detach().clone() for p in run.model.parameters()], []
    run.penalty["l1"].after_step = lambda model, lr: called.append(model)
    original = run.loss
    run.loss = lambda *batch: original(*batch) * (math.inf if overflows else 1.0)
    rows_of(run)
    assert len(called) == (not overflows)
    assert all(map(torch.equal, before, run.model.parameters())) is overflows


def test_an_optimizers_state_is_counted_by_a_parameters_shape():
    p = torch.nn.Parameter(torch.zeros(1))
    assert memory.state_tensors(torch.optim.Adam([p])) == 2
    assert memory.state_tensors(torch.optim.SGD([p], lr=0.1)) == 0

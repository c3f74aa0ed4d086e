"""What only a CUDA device can show. `python -m pytest -m gpu` is the command for a machine that has one."""

import pytest
import torch

from tricktable.runner.training import memory
from tricktable.runner.training.train import train, train_epoch

pytestmark = pytest.mark.gpu

TRICKS = (
    "compute=auto", "compute.device=cuda", "augment=[crop,flip,mixup]", "hook=[ema]", "gradient=[clip_norm]", "penalty=[l2]",
    "groups=no_decay", "schedule.lr=[warmup,cosine]", "schedule.lr.epochs=1",
)  # fmt: skip


def rows_of(run):
    return [row.plain() for row in train(run, lambda: None)]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_trains_in_every_precision(make_run, precision):
    run = make_run(*TRICKS, f"compute.precision={precision}")
    rows = rows_of(run)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert all(p.device.type == "cuda" and p.dtype == torch.float32 for p in run.model.parameters())


OPERATIONS = "augment=[autoaugment,randaugment,trivialaugment,augmix,alternating_flip]"


@pytest.mark.parametrize(
    "overrides",
    [
        *([f"compute.precision={precision}"] for precision in ("tf32", "bf16", "fp16")),
        [OPERATIONS],
        ["loss=focal"],
        ["loss=poly"],
    ],
)
def test_nothing_in_an_epoch_waits_for_the_device(make_run, overrides):
    keys = {override.partition("=")[0] for override in overrides}
    run = make_run(*(trick for trick in TRICKS if trick.partition("=")[0] not in keys), *overrides)
    train_epoch(run, lambda: None)  # what torch and cuDNN do once is done
    run.clock.epoch, run.clock.position = 1, 0
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_epoch(run, lambda: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_resumes_in_the_middle_of_an_epoch_with_the_same_bits(make_run):
    overrides = [*TRICKS, "compute.deterministic=true"]
    whole, first, second = (make_run(*overrides) for _ in range(3))
    rows_of(whole)

    def edge():
        if first.clock.updates == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(first, edge))
    tensors, plain = first.state()
    second.load({k: v.cpu().clone() for k, v in tensors.items()}, plain)
    rows_of(second)
    for (name, a), b in zip(whole.state()[0].items(), second.state()[0].values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("noise", ["residual=shakedrop", "residual=stochastic_depth"])
def test_a_graph_that_is_replayed_has_the_bits_of_the_step(make_run, precision, noise):
    overrides = [*TRICKS, noise, "penalty.l2.strength=0.01", "compute.deterministic=true",
                 f"compute.precision={precision}", "epochs=6"]  # fmt: skip
    plain, replayed = (make_run(*overrides, f"compute.capture={capture}") for capture in ("off", "auto"))
    replayed.gradients.least = 6
    assert rows_of(plain)[-1]["train_loss"] == rows_of(replayed)[-1]["train_loss"]
    assert {shape.images: each.replays for shape, each in replayed.gradients.recordings.items()} == {
        16: 18 - 4,
        12: 6 - 4,
    }
    for (name, a), b in zip(plain.state()[0].items(), replayed.state()[0].values(), strict=True):
        assert torch.equal(a, b), name


def test_graphs_of_several_image_sizes_have_the_bits_of_the_step(make_run):
    overrides = [*TRICKS, "schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=1", "epochs=6",
                 "data.last_batch=drop", "compute.deterministic=true"]  # fmt: skip
    plain, replayed = (make_run(*overrides, f"compute.capture={capture}") for capture in ("off", "auto"))
    replayed.gradients.least = 6
    assert rows_of(plain)[-1]["train_loss"] == rows_of(replayed)[-1]["train_loss"]
    assert {shape.size for shape in replayed.gradients.recordings} == {(4, 4), None}
    for (name, a), b in zip(plain.state()[0].items(), replayed.state()[0].values(), strict=True):
        assert torch.equal(a, b), name


def test_a_compiled_network_is_recorded_to_the_same_bits(make_run):
    overrides = [*TRICKS, "residual=stochastic_depth", "compute.deterministic=true", "compute.compile=on", "epochs=6"]
    plain, replayed = (make_run(*overrides, f"compute.capture={capture}") for capture in ("off", "auto"))
    replayed.gradients.least = 6
    assert rows_of(plain)[-1]["train_loss"] == rows_of(replayed)[-1]["train_loss"]
    assert {shape.images: each.replays for shape, each in replayed.gradients.recordings.items()} == {
        16: 18 - 4,
        12: 6 - 4,
    }
    for (name, a), b in zip(plain.state()[0].items(), replayed.state()[0].values(), strict=True):
        assert torch.equal(a, b), name


def test_what_no_graph_can_have_is_computed(make_run):
    """A pass that fails while it is captured has changed nothing."""
    plain, refused = (make_run(*TRICKS, "compute.deterministic=true", f"compute.capture={c}") for c in ("off", "on"))
    for run in (plain, refused):
        run.loss = lambda logits, targets, images: (torch.logsumexp(logits, 1) * logits.sum().item()).mean()
    refused.gradients.least = 1
    rows_of(plain), rows_of(refused)
    assert refused.gradients.recorder is None
    for (name, a), b in zip(plain.state()[0].items(), refused.state()[0].values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("augment", ["augment=[crop,flip,mixup]", OPERATIONS])
def test_the_gpu_sees_the_augmentations_that_the_cpu_sees(make_run, augment):
    seen = []
    for device in ("cpu", "cuda"):
        run = make_run(
            "compute=auto",
            f"compute.device={device}",
            "compute.precision=fp32",
            augment,
            "epochs=1",
        )
        original, batches = run.loss, []

        def loss(logits, targets, images, original=original, batches=batches):
            batches.append((images.cpu(), targets.cpu()))
            return original(logits, targets, images)

        run.loss = loss
        rows_of(run)
        seen.append(batches)
    for (images, targets), (on_gpu, targets_on_gpu) in zip(*seen, strict=True):
        torch.testing.assert_close(images, on_gpu, rtol=0, atol=1e-6)
        torch.testing.assert_close(targets, targets_on_gpu, rtol=0, atol=1e-6)


def test_a_run_takes_no_more_memory_than_its_rehearsal_says(make_run):
    """But for the process's own context, which torch does not count, and the blocks that its allocator asks for."""
    run = make_run(*TRICKS, "compute.precision=bf16", "epochs=30")
    torch.cuda.reset_peak_memory_stats()
    rows_of(run)
    blocks = 64 * 2**20
    assert run.gradients.recordings and torch.cuda.max_memory_reserved() <= run.memory - memory.CONTEXT + blocks


@pytest.mark.parametrize("capture", ["on", "off"])
def test_padded_channels_make_the_same_step(make_run, capture):
    network = ["model=pyramidnet110_a48", "model.depth=14", "model.alpha=10", "model.width=5", "epochs=20"]
    overrides = [
        *network,
        "compute=auto",
        "compute.device=cuda",
        "compute.precision=fp32",
        f"compute.capture={capture}",
    ]
    plain, padded = (make_run(*overrides, *more) for more in ([], ["compute.pad_channels=8"]))
    for run in (plain, padded):
        train_epoch(run, lambda: None)
    for (name, a), b in zip(plain.state()[0].items(), padded.state()[0].values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3, msg=name)

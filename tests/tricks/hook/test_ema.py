"""The moving average of the weights against its recurrence."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.hook.ema import EMA


def start():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    return SimpleNamespace(model=model, variants={"final": [model]})


def move(run, seed):
    """Stand-in for a training step: new weights, and BatchNorm's buffers move on."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in run.model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng))
        run.model(torch.randn(4, 2, 5, 5, generator=rng))


@pytest.mark.parametrize("warmup", [False, True])
def test_the_recurrence(warmup):
    run, ema, expected = start(), EMA(0.8, warmup), {}
    for t in range(1, 13):
        move(run, t)
        ema.on_step(run)
        decay = min(0.8, 1 - 1 / t) if warmup else 0.8
        for name, tensor in run.model.state_dict().items():
            value = tensor.double().numpy().copy()
            expected[name] = value if t == 1 else expected[name] + (1 - decay) * (value - expected[name])
    ema.finish(run)
    (averaged,) = run.variants["ema"]
    for name, tensor in averaged.state_dict().items():
        if tensor.is_floating_point():
            np.testing.assert_allclose(tensor.numpy(), expected[name], rtol=1e-4, atol=1e-5)
        else:
            assert torch.equal(tensor, run.model.state_dict()[name])


def test_with_warmup_a_short_average_is_the_plain_mean():
    run, ema, seen = start(), EMA(0.999), []
    for t in range(5):
        move(run, t)
        ema.on_step(run)
        seen.append(run.model[0].weight.detach().clone())
    torch.testing.assert_close(ema.average["0.weight"], torch.stack(seen).mean(0), rtol=1e-4, atol=1e-6)


def test_decay_zero_is_the_model_itself():
    run, ema = start(), EMA(0.0)
    for t in range(3):
        move(run, t)
        ema.on_step(run)
    ema.finish(run)
    for a, b in zip(run.variants["ema"][0].parameters(), run.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_resumed_average_has_the_same_bits():
    run, whole = start(), EMA(0.9)
    resumed = EMA(0.9)
    for t in range(8):
        if t == 4:
            saved = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in whole.state_dict().items()}
            resumed.load_state_dict(saved)
        move(run, t)
        whole.on_step(run)
        if t >= 4:
            resumed.on_step(run)
    a, b = whole.state_dict(), resumed.state_dict()
    assert a.keys() == b.keys() and a["steps"] == b["steps"] == 8
    assert all(torch.equal(a[k], b[k]) for k in a if k != "steps")


def test_a_run_that_resumes_at_its_end_can_finish():
    run, ema = start(), EMA()
    move(run, 0)
    ema.on_step(run)
    again = EMA()
    again.load_state_dict(ema.state_dict())
    again.finish(run)
    assert torch.equal(run.variants["ema"][0][0].weight, run.model[0].weight)


def test_the_model_and_the_averages_share_no_memory():
    run, ema = start(), EMA(0.5)
    ema.on_step(run)
    ema.finish(run)
    kept = run.variants["ema"][0][0].weight.detach().clone()
    move(run, 1)
    ema.on_step(run)
    assert torch.equal(run.variants["ema"][0][0].weight, kept)
    assert all(p.requires_grad for p in run.model.parameters())
    assert not any(tensor.requires_grad for tensor in ema.average.values())


def test_what_is_not_finite_shows():
    run, ema = start(), EMA(0.5, warmup=False)
    ema.on_step(run)
    with torch.no_grad():
        run.model[0].weight.fill_(torch.nan)
    ema.on_step(run)
    assert ema.average["0.weight"].isnan().all()


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_out_of_range(decay):
    with pytest.raises(ValueError, match=r"^decay must lie in \[0, 1\), got "):
        EMA(decay)

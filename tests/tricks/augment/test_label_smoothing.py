"""Label smoothing, its optimum in closed form, and augmentations after one another in any order."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from tricktable.tricks.augment.crop import Crop
from tricktable.tricks.augment.cutmix import CutMix
from tricktable.tricks.augment.cutout import Cutout
from tricktable.tricks.augment.flip import Flip
from tricktable.tricks.augment.label_smoothing import LabelSmoothing
from tricktable.tricks.augment.mixup import Mixup
from tricktable.tricks.augment.random_erasing import RandomErasing
from tricktable.tricks.augment.random_resized_crop import RandomResizedCrop


def smoothed(targets, epsilon):
    images, smoothing = torch.zeros(len(targets), 1, 2, 2), LabelSmoothing(epsilon)
    same, out = smoothing(images, targets, smoothing.sample(len(targets), torch.Generator()))
    assert same is images
    return out


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_the_equation_for_labels_and_for_mixtures(epsilon):
    torch.manual_seed(0)
    for targets in (torch.eye(5)[torch.randint(5, (12,))], torch.softmax(torch.randn(12, 5), 1)):
        out = smoothed(targets, epsilon)
        for q, q_smooth in zip(targets.tolist(), out.tolist(), strict=True):
            assert q_smooth == pytest.approx([(1 - epsilon) * q_k + epsilon / 5 for q_k in q], abs=1e-7)
        torch.testing.assert_close(out.sum(1), torch.ones(12))


def test_the_loss_is_torchs_own_with_label_smoothing():
    torch.manual_seed(1)
    logits, labels = torch.randn(7, 5), torch.randint(5, (7,))
    torch.testing.assert_close(
        F.cross_entropy(logits, smoothed(torch.eye(5)[labels], 0.2)),
        F.cross_entropy(logits, labels, label_smoothing=0.2),
    )


@pytest.mark.parametrize(("epsilon", "best"), [(0.05, 2.030221505273), (0.1, 1.666102255088), (0.2, 1.282474678731)])
def test_gradient_descent_on_the_toy_model_ends_at_the_closed_form(epsilon, best):
    """Three classes with the logits (2a, 0, 0): a* = ln((3 - 2 epsilon) / epsilon) / 2, where plain labels have none."""
    assert math.log((3 - 2 * epsilon) / epsilon) / 2 == pytest.approx(best, abs=1e-12)
    target = smoothed(torch.eye(3, dtype=torch.float64)[:1], epsilon)
    a = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(400):
        loss = F.cross_entropy(torch.stack((2 * a, 0 * a, 0 * a)).unsqueeze(0), target)
        (slope,) = torch.autograd.grad(loss, a)
        with torch.no_grad():
            a -= slope
    assert a.item() == pytest.approx(best, abs=1e-9)
    assert loss.item() == pytest.approx(-(target * target.log()).sum().item(), abs=1e-9)


@pytest.mark.parametrize(
    ("classes", "gap", "floor"),
    [
        (10, 4.510859506517, 0.500288035058),
        (100, 6.803505257608, 0.777797041877),
        (1000, 9.105090961257, 1.014847997749),
    ],
)
def test_a_logit_that_descends_alone_ends_at_the_papers_gap_and_loss(classes, gap, floor):
    """Logits (z, 0, ... 0) of K classes: z* = ln(K (1 - epsilon) / epsilon + 1), and the loss there is the entropy."""
    target = smoothed(torch.eye(classes, dtype=torch.float64)[:1], 0.1)
    z = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(60):  # Newton's steps: plain ones are slow where a thousand classes share the slope
        logits = torch.cat((z.view(1), torch.zeros(classes - 1, dtype=torch.float64))).unsqueeze(0)
        loss = F.cross_entropy(logits, target)
        (slope,) = torch.autograd.grad(loss, z)
        p = logits.detach().softmax(1)[0, 0]
        with torch.no_grad():
            z -= (slope / (p * (1 - p))).clamp(-1, 1)
    assert z.item() == pytest.approx(gap, abs=1e-9)
    assert loss.item() == pytest.approx(floor, abs=1e-9)


def test_plain_labels_have_no_least_loss_in_the_toy_model():
    target = smoothed(torch.eye(3, dtype=torch.float64)[:1], 0.0)
    rows = torch.tensor([[2.0 * a, 0, 0] for a in range(15)], dtype=torch.float64)
    losses = F.cross_entropy(rows, target.expand(15, 3), reduction="none")
    assert (losses.diff() < 0).all() and 0 < losses[-1] < 1e-11


def test_nothing_is_drawn():
    rng = torch.Generator().manual_seed(0)
    before = rng.get_state()
    assert LabelSmoothing().sample(9, rng).shape == (9, 0)
    assert torch.equal(rng.get_state(), before)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_out_of_range(epsilon):
    with pytest.raises(ValueError, match=r"^epsilon must lie in \[0, 1\], got "):
        LabelSmoothing(epsilon)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_augmentations_compose_in_any_order(layout):
    tricks = [
        Crop(torch.zeros(2), torch.ones(2), 2),
        RandomResizedCrop(),
        Flip(),
        Mixup(per="image"),
        CutMix(p=1.0),
        Cutout(),
        RandomErasing(1.0),
        LabelSmoothing(),
    ]
    for order in itertools.islice(itertools.permutations(tricks), None, None, 251):
        rng = torch.Generator().manual_seed(0)
        images = torch.randn(6, 2, 8, 9, generator=rng).contiguous(memory_format=layout)
        x, y = images, torch.eye(5)[torch.randint(5, (6,), generator=rng)]
        for trick in order:
            x, y = trick(x, y, trick.sample(6, rng))
        assert x.shape == images.shape and x.isfinite().all() and x.is_contiguous(memory_format=layout)
        assert y.shape == (6, 5)
        torch.testing.assert_close(y.sum(1), torch.ones(6))

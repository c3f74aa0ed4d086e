"""Distillation against its equation, with a teacher of a few weights."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.loss.distillation import Distillation


def batch():
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    return teacher, torch.randn(6, 5, requires_grad=True), torch.softmax(torch.randn(6, 5), 1), torch.randn(6, 3, 2, 2)


def softmax(z, t):
    powers = [math.exp(a / t) for a in z]
    return [a / sum(powers) for a in powers]


@pytest.mark.parametrize(("t", "hard", "soft"), [(20.0, 1.0, 1.0), (1.0, 0.5, 0.5), (3.0, 0.0, 2.0)])
def test_the_equation(t, hard, soft):
    teacher, logits, targets, images = batch()
    expected = 0.0
    for z, r, q in zip(logits.tolist(), teacher(images).tolist(), targets.tolist(), strict=True):
        labels = -sum(b * math.log(a) for a, b in zip(softmax(z, 1), q, strict=True))
        taught = -sum(b * math.log(a) for a, b in zip(softmax(z, t), softmax(r, t), strict=True))
        expected += (hard * labels + soft * t**2 * taught) / 6
    loss = Distillation(teacher, t, hard, soft)(logits, targets, images)
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-5)


def test_at_temperature_one_a_teacher_that_says_the_labels_is_cross_entropy():
    _, logits, targets, images = batch()

    class Knowing(nn.Module):
        def forward(self, images):
            return targets.log()

    loss = Distillation(Knowing(), temperature=1.0, hard_weight=0.0)(logits, targets, images)
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets))


def test_the_soft_gradient_at_a_high_temperature_matches_logits():
    """Hinton et al., equation 4: T^2 dl/dz -> (z - r) / K for zero-mean logits; so T leaves the weights comparable."""
    teacher, logits, targets, images = batch()
    Distillation(teacher.double(), 1e3, hard_weight=0.0)(logits, targets.double(), images.double()).backward()
    z, r = logits.detach().double(), teacher(images.double()).detach()
    expected = ((z - z.mean(1, keepdim=True)) - (r - r.mean(1, keepdim=True))) / 5 / 6
    torch.testing.assert_close(logits.grad.double(), expected, rtol=1e-2, atol=1e-3)


def test_the_teacher_sees_the_images_and_gets_no_gradient():
    teacher, logits, targets, images = batch()
    images.requires_grad_(True)
    Distillation(teacher)(logits, targets, images).backward()
    assert logits.grad.abs().sum() > 0
    assert images.grad is None and all(p.grad is None for p in teacher.parameters())


def test_half_precision_logits_give_a_loss_in_the_targets_precision():
    teacher, logits, targets, images = batch()
    loss = Distillation(teacher)(logits.bfloat16(), targets, images)
    assert loss.dtype == torch.float32 and loss.isfinite()


def test_a_teacher_of_other_classes_is_refused():
    teacher, logits, targets, images = batch()
    with pytest.raises(ValueError, match=r"^teacher must have 4 classes, got 5$"):
        Distillation(teacher)(logits[:, :4], targets[:, :4], images)


def test_no_teacher_is_refused():
    with pytest.raises(ValueError, match=r"^teacher must name a finished run: loss.teacher=outputs/default/<run>$"):
        Distillation()


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("temperature", 0.0, "above 0"),
        ("temperature", math.nan, "above 0"),
        ("hard_weight", -1.0, "at least 0"),
        ("soft_weight", 0.0, "above 0"),
    ],
)
def test_out_of_range(argument, value, allowed):
    with pytest.raises(ValueError, match=rf"^{argument} must be {allowed}.*, got {value:g}$"):
        Distillation(nn.Linear(2, 2), **{argument: value})

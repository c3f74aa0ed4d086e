"""Decoupled distillation against its two divergences, written out label by label."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.loss.dkd import DKD


def batch(dtype=torch.float64):
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).to(dtype).eval().requires_grad_(False)
    images = 3 * torch.randn(6, 3, 2, 2, dtype=dtype)
    logits = (3 * torch.randn(6, 5, dtype=dtype)).requires_grad_(True)
    return teacher, logits, torch.softmax(torch.randn(6, 5, dtype=dtype), 1), images


def softmax(z, t):
    e = [math.exp(a / t) for a in z]
    return [a / sum(e) for a in e]


def kl(r, p):
    return sum(a * math.log(a / b) for a, b in zip(r, p, strict=True))


def parts(r, p, label):
    """TCKD and NCKD of one image."""
    others = [[a for k, a in enumerate(x) if k != label] for x in (r, p)]
    rests = [sum(x) for x in others]
    return kl([r[label], rests[0]], [p[label], rests[1]]), kl(
        *([a / s for a in x] for x, s in zip(others, rests, strict=True))
    )


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(
    ("alpha", "beta", "t", "hard"), [(1.0, 8.0, 4.0, 1.0), (0.0, 2.0, 1.0, 0.5), (1.5, 0.0, 2.0, 0.0)]
)
def test_the_equations(single, alpha, beta, t, hard):
    teacher, logits, targets, images = batch()
    targets = torch.eye(5, dtype=torch.float64)[targets.argmax(1)] if single else targets
    expected = 0.0
    for z, taught, q in zip(logits.tolist(), teacher(images).tolist(), targets.tolist(), strict=True):
        r, p = softmax(taught, t), softmax(z, t)
        for label, share in enumerate(q):
            target, other = parts(r, p, label)
            expected += share * (hard * -math.log(softmax(z, 1)[label]) + t**2 * (alpha * target + beta * other)) / 6
    loss = DKD(teacher, alpha, beta, t, hard)(logits, targets, images)
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-9)


def test_the_parts_make_up_the_divergence_of_distillation():
    """KL(r || p) = TCKD + (1 - r_t) NCKD, equation 6, for each image and label."""
    teacher, logits, _, images = batch()
    for i in range(6):
        for label in range(5):
            target = torch.eye(5, dtype=torch.float64)[label : label + 1]
            one = logits[i : i + 1].detach(), target, images[i : i + 1]
            tckd, nckd = (DKD(teacher, a, b, 1.0, 0.0)(*one).item() for a, b in ((1.0, 0.0), (0.0, 1.0)))
            r = torch.softmax(teacher(images[i : i + 1]), 1)
            whole = F.kl_div(torch.log_softmax(one[0], 1), r, reduction="sum").item()
            assert whole == pytest.approx(tckd + (1 - r[0, label].item()) * nckd, rel=1e-9)


def test_the_gradient_is_that_of_the_masked_logits():
    """The authors' way to leave the label out: 1000 is taken from its logit before the softmax."""
    teacher, logits, targets, images = batch()
    targets = torch.eye(5, dtype=torch.float64)[targets.argmax(1)]
    DKD(teacher, 1.0, 8.0, 4.0, 0.0)(logits, targets, images).backward()
    z, taught = logits.detach().requires_grad_(True), teacher(images)
    sides = [torch.softmax(x / 4, 1) for x in (z, taught)]
    p, r = (torch.stack([(x * targets).sum(1), (x * (1 - targets)).sum(1)], 1) for x in sides)
    tckd = F.kl_div(p.log(), r, reduction="sum")
    masked = [x / 4 - 1000 * targets for x in (z, taught)]
    nckd = F.kl_div(torch.log_softmax(masked[0], 1), torch.softmax(masked[1], 1), reduction="sum")
    ((tckd + 8 * nckd) * 16 / 6).backward()
    torch.testing.assert_close(logits.grad, z.grad)


def test_a_student_that_is_the_teacher_has_nothing_to_learn_of_it():
    teacher, _, targets, images = batch()
    logits = teacher(images).requires_grad_(True)
    loss = DKD(teacher, hard_weight=0.0)(logits, targets, images)
    loss.backward()
    assert abs(loss.item()) < 1e-12 and logits.grad.abs().max() < 1e-12


def test_a_certain_teacher_and_a_certain_student_keep_their_digits():
    """At 1 - r_t = 2e-13 a difference from 1 would be nothing in float32; the other classes are still told apart."""
    taught = torch.tensor([[30.0, 1.0, 0.0]])
    logits = torch.tensor([[0.0, 25.0, 1.0], [40.0, 0.0, 1.0]], requires_grad=True)
    loss = DKD(lambda images: taught.expand(2, 3), 1.0, 8.0, 1.0, 0.0)
    for label in range(3):
        found = loss(logits, torch.eye(3)[[label, label]], torch.empty(0))
        expected = 0.0
        for z in logits.tolist():
            target, other = parts(softmax(taught[0].tolist(), 1), softmax(z, 1), label)
            expected += (target + 8 * other) / 2
        assert found.item() == pytest.approx(expected, rel=1e-5)
        (gradient,) = torch.autograd.grad(found, logits)
        assert gradient.isfinite().all()


def test_the_teacher_sees_the_images_and_gets_no_gradient():
    teacher, logits, targets, images = batch()
    images.requires_grad_(True)
    DKD(teacher)(logits, targets, images).backward()
    assert logits.grad.abs().sum() > 0
    assert images.grad is None and all(p.grad is None for p in teacher.parameters())


def test_half_precision_and_extreme_logits_stay_finite():
    teacher, _, targets, images = batch(torch.float32)
    logits = (1e4 * torch.randn(6, 5)).bfloat16().requires_grad_(True)
    loss = DKD(teacher)(logits, targets, images)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and logits.grad.isfinite().all()


def test_a_teacher_of_other_classes_is_refused():
    teacher, logits, targets, images = batch()
    with pytest.raises(ValueError, match=r"^teacher must have 4 classes, got 5$"):
        DKD(teacher)(logits[:, :4], targets[:, :4], images)


def test_no_teacher_is_refused():
    with pytest.raises(ValueError, match=r"^teacher must name a finished run: loss.teacher=outputs/default/<run>$"):
        DKD()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"alpha": -1.0}, "alpha must be at least 0, got -1"),
        ({"beta": math.nan}, "beta must be at least 0, got nan"),
        ({"hard_weight": -0.5}, "hard_weight must be at least 0, got -0.5"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0"),
        ({"alpha": 0.0, "beta": 0.0}, "beta must be above 0 where alpha is 0"),
    ],
)
def test_out_of_range(arguments, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        DKD(nn.Linear(2, 2), **arguments)

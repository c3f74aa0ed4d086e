"""Cross-entropy with target distributions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tricktable.tricks.loss.cross_entropy import cross_entropy


def test_the_equation():
    logits, targets = torch.randn(6, 5), torch.softmax(torch.randn(6, 5), 1)
    z, q = logits.double().numpy(), targets.double().numpy()
    expected = np.mean([-sum(q[b, k] * (z[b, k] - np.log(np.exp(z[b]).sum())) for k in range(5)) for b in range(6)])
    loss = cross_entropy(logits, targets, torch.empty(0))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets))


def test_one_hot_targets_are_labels():
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    torch.testing.assert_close(
        cross_entropy(logits, torch.eye(5)[labels], torch.empty(0)), F.cross_entropy(logits, labels)
    )


def test_half_precision_and_extreme_logits_stay_finite():
    logits = torch.tensor([[3e4, -3e4], [0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.empty(0))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert logits.grad.isfinite().all()

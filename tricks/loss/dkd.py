"""DKD: what a teacher says of the label and of the other classes counts apart. Zhao et al. 2022, arXiv:2203.08679.

    l = hard_weight l(q, softmax(z)) + T^2 (alpha TCKD + beta NCKD)
    TCKD = KL( (r_t, 1 - r_t) || (p_t, 1 - p_t) ),    NCKD = KL( r' || p' )

z are the student's logits, l is cross-entropy, t the label; p = softmax(z / T), and r the same of the teacher's logits;
p' and r' are these without t, made to sum to 1 again. A distribution of targets q weighs the parts of all labels t by
q_t, as cross-entropy does. With alpha = 1 and beta = 1 - r_t the sum would be distillation's KL( r || p ).

Differs from the authors' code: there the second term is raised from 0 to its weight over the first 20 epochs; a loss
does not know the epoch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DKD:
    """Cross-entropy with the targets, and both parts of the distance to the teacher's predictions on the same images.

    teacher: a finished run, given as its network, frozen and in evaluation mode; images B C H W -> logits B K.
    alpha, beta: weights of the target's part and of the others'.
    """

    def __init__(
        self,
        teacher: nn.Module | None = None,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: float = 4.0,
        hard_weight: float = 1.0,
    ) -> None:
        if teacher is None:
            raise ValueError("teacher must name a finished run: loss.teacher=outputs/default/<run>")
        for name, value in (("alpha", alpha), ("beta", beta), ("hard_weight", hard_weight)):
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        if not alpha + beta > 0:
            raise ValueError("beta must be above 0 where alpha is 0 (both 0 is loss=cross_entropy), got 0")
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature:g}")
        self.teacher, self.alpha, self.beta = teacher, alpha, beta
        self.temperature, self.hard_weight = temperature, hard_weight

    def __call__(self, logits: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Logits B K, targets B K (rows sum to 1), images B C H W -> a scalar in nats, in the targets' precision."""
        with torch.no_grad():
            taught = self.teacher(images).to(targets.dtype)
        if taught.shape != targets.shape:
            raise ValueError(f"teacher must have {targets.shape[1]} classes, got {taught.shape[1]}")
        z, t = logits.to(targets.dtype), self.temperature
        target, others = _parts(torch.log_softmax(taught / t, 1), torch.log_softmax(z / t, 1))
        distance = (targets * (self.alpha * target + self.beta * others)).sum(1).mean()
        return self.hard_weight * F.cross_entropy(z, targets) + t**2 * distance


def _parts(r: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """TCKD and NCKD with each class as the label, B K each; r and p are log-probabilities, teacher's and student's."""
    rest_r, rest_p = _rest(r), _rest(p)
    target = r.exp() * (r - p) + rest_r.exp() * (rest_r - rest_p)
    # NCKD is sum_j r'_j (r_j - p_j) less the difference of the rests. The sum over all but one is that over all less
    # the one, unless it is the largest: then little would be left of two large numbers.
    term, top = r.exp() * (r - p), _top(r)
    without_top = torch.where(top, 0.0, (r - rest_r.amin(1, keepdim=True)).exp() * (r - p)).sum(1, keepdim=True)
    without = (term.sum(1, keepdim=True) - term) / torch.where(top, 1.0, rest_r.exp())
    return target, torch.where(top, without_top, without) - rest_r + rest_p


def _rest(log_p: Tensor) -> Tensor:
    """log(1 - p_k), B K; for the largest p_k as the sum of the others, of which 1 - p_k would keep few digits."""
    top = _top(log_p)
    others = log_p.masked_fill(top, -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(top, others, torch.log1p(-log_p.masked_fill(top, -torch.inf).exp()))


def _top(log_p: Tensor) -> Tensor:
    """Which is the largest of each row; of equal ones the first. Bool B K."""
    return torch.arange(log_p.shape[1], device=log_p.device) == log_p.argmax(1, keepdim=True)

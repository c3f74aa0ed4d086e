"""The model as it is: one view of the image, logits unchanged.

z = model(x)
"""

from torch import Tensor, nn


class Plain(nn.Module):
    """One model's logits. ValueError for several models, which need a rule to combine them."""

    def __init__(self, models: list[nn.Module]) -> None:
        super().__init__()
        if len(models) != 1:
            raise ValueError(f"plain takes exactly one model, got {len(models)}")
        self.model = models[0]

    def forward(self, images: Tensor) -> Tensor:
        """B C H W -> logits B K."""
        return self.model(images)

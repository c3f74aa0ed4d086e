"""A multilayer perceptron with dropout.

Hinton et al. 2012, Improving neural networks by preventing co-adaptation of feature detectors, arXiv:1207.0580,
section on MNIST: two hidden layers of 800 rectified units, dropout of 0.5 in them and of 0.2 of the pixels.

    h_{l+1} = dropout(relu(W_l h_l + b_l))

Shapes: B images, C channels, H W pixels, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.models._parts import Factory, seams


class MLP(nn.Module):
    """A multilayer perceptron; B C H W -> logits B K.

    hidden: units of each hidden layer; an empty list makes a linear classifier. dropout: of hidden units.
    input_dropout: of pixels. resolution: pixels each way that the first layer sees; images of another size are brought
    to it by adaptive average pooling.
    activation, head: factories as in the places of the same names; None is the paper's own choice.

    There is no downsampling that belongs to the network: `stride` and `stem_stride` are 1.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        hidden: list[int] | None = None,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        resolution: int = 28,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        widths = [800, 800] if hidden is None else hidden
        if min(widths, default=1) < 1:
            raise ValueError(f"hidden must be numbers from 1 on, got {widths}")
        for name, probability in (("dropout", dropout), ("input_dropout", input_dropout)):
            if not 0 <= probability < 1:
                raise ValueError(f"{name} must be in [0, 1), got {probability}")
        if resolution < 1:
            raise ValueError(f"resolution must be at least 1, got {resolution}")
        self.resolution, self.stride, self.stem_stride = resolution, 1, 1
        units = in_channels * resolution**2
        parts = seams(head=head, activation=activation)
        layers: list[nn.Module] = [nn.Dropout(input_dropout)]
        for width in widths:
            layers += [nn.Linear(units, width), parts.activation(), nn.Dropout(dropout)]
            units = width
        self.layers = nn.Sequential(*layers)
        self.head = parts.head(units, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        if x.shape[2:] != (self.resolution, self.resolution):
            x = F.adaptive_avg_pool2d(x, self.resolution)
        return self.head(self.layers(torch.flatten(x, 1)))

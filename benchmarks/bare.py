"""The yardstick: ResNet-20 in a bare PyTorch loop, as one would write it by hand. No config, no resume, no table.

It does the work that a run of tricktable does: the same network, order of magnitude of images, SGD with a cosine, an
evaluation after every epoch, one torch.save. `python -m benchmarks.bare IMAGES EPOCHS FILE`
"""

import math
import sys

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions and a parameter-free shortcut (He et al. 2016, option A)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.stride, self.grown = stride, outside - inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """B C H W -> B C' H' W'."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.grown:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.grown // 2, self.grown // 2))
        return F.relu(x + y)


def resnet20(channels: int, classes: int) -> nn.Module:
    """The network of the benchmark; 0.27 million parameters."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            first = block == 0 and stage > 0
            layers.append(Block(width // 2 if first else width, width, 2 if first else 1))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def main(images: int, epochs: int, path: str, size: int = 32, batch: int = 128) -> None:
    """Train on random images and save the weights."""
    torch.manual_seed(0)
    x, y = torch.randn(images, 3, size, size), torch.randint(10, (images,))
    x_test, y_test = torch.randn(128, 3, size, size), torch.randint(10, (128,))
    model = resnet20(3, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(images)
        for start in range(0, images, batch):
            optimizer.param_groups[0]["lr"] = 0.05 * (1 + math.cos(math.pi * (epoch + start / images) / epochs))
            index = order[start : start + batch]
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_test)
            error = (logits.argmax(1) != y_test).float().mean().item()
            print(epoch, F.cross_entropy(logits, y_test).item(), error, flush=True)
    torch.save(model.state_dict(), path)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

"""CIFAR-100 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32x32 pixels in 100 classes."""

from tricktable.runner.data import official
from tricktable.runner.data.source import Arrays

# The training set's, of all pixels: fb.resnet.torch, datasets/cifar100.lua (129.3, 124.1, 112.4 and 68.2, 65.4, 70.4).
MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)

KNOWN = (50_000, (3, 32, 32), 100)  # training images, their shape, classes


def cifar100(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision, with its fine labels."""
    return official.cifar("CIFAR100", path, download, title="cifar100", mean=MEAN, std=STD)

"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 60,000 training and 10,000 test images of 28x28 pixels."""

from tricktable.runner.data import official
from tricktable.runner.data.source import Arrays

KNOWN = (60_000, (1, 28, 28), 10)  # training images, their shape, classes


def fashion_mnist(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision. No constants are common to its papers."""
    return official.mnist("FashionMNIST", path, download, title="fashion_mnist")

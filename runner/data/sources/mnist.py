"""MNIST (LeCun et al. 1998): 60,000 training and 10,000 test handwritten digits of 28x28 pixels, one channel."""

from tricktable.runner.data import official
from tricktable.runner.data.source import Arrays

# The training set's, of all pixels: pytorch/examples, mnist/main.py.
MEAN, STD = (0.1307,), (0.3081,)

KNOWN = (60_000, (1, 28, 28), 10)  # training images, their shape, classes


def mnist(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision."""
    return official.mnist("MNIST", path, download, title="mnist", mean=MEAN, std=STD)

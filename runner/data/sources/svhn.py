"""SVHN (Netzer et al. 2011): 73,257 training and 26,032 test house-number digits of 32x32 pixels."""

from tricktable.runner.data import official
from tricktable.runner.data.source import Arrays

KNOWN = (73_257, (3, 32, 32), 10)  # training images, their shape, classes


def svhn(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision, without its «extra» images. Papers divide by 255 only: no constants."""
    return official.svhn(path, download, title="svhn")

"""Finished runs that the tests of the Python interface share, made once."""

import pytest
import torch

import tricktable
from tests.conftest import TINY


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run with several variants and inferences, one of which picks its value on validation; its root."""
    root = tmp_path_factory.mktemp("python") / "outputs"
    more = ["hook=[ema,swa]", "inference=[plain,flip,example_weight]", "data.validation=0.1", "init=[he,lsuv]"]
    return tricktable.train([*TINY, *more, f"output.root={root}"])


@pytest.fixture(scope="session")
def classifier(trained):
    return trained.load()


@pytest.fixture
def digits():
    """The test images of the digits and their labels."""
    from tricktable.runner.data.sources.digits import digits

    source = digits()
    assert source.test_images.dtype == torch.uint8
    return source.test_images, source.test_labels

"""torch's process-wide switches, as a run sets them."""

import pytest
import torch

from tricktable.runner.training.compute import SEARCHED, Compute, apply, search

CPU = Compute(torch.device("cpu"), "fp32", channels_last=True, threads=1, deterministic=True, capture=False)
GPU = Compute(torch.device("cuda"), "tf32", channels_last=True, threads=1, deterministic=False, capture=False)


@pytest.fixture(autouse=True)
def as_it_was():
    switches = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    yield
    torch.backends.cudnn.benchmark = switches[0]
    torch.use_deterministic_algorithms(switches[1])
    torch.set_num_threads(switches[2])


@pytest.mark.parametrize(
    ("compute", "sizes", "expected"),
    [
        (GPU, 1, True),
        (GPU, SEARCHED, True),
        (GPU, SEARCHED + 1, False),
        (Compute(torch.device("cuda"), "tf32", True, 1, deterministic=True, capture=False), 1, False),
        (CPU, 1, False),
    ],
)
def test_cudnn_searches_where_batches_have_few_sizes(compute, sizes, expected):
    search(compute, sizes)
    assert torch.backends.cudnn.benchmark is expected


def test_determinism_is_switched_off_again():
    torch.use_deterministic_algorithms(True)
    apply(CPU)
    assert not torch.are_deterministic_algorithms_enabled()

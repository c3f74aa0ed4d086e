"""A recording on a GPU: a CUDA graph. UNTESTED WITHOUT A GPU: with one, tests/training/test_gpu.py runs it."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class Graph:
    """The kernels of one pass, launched again as one."""

    def __init__(self) -> None:
        self.graph = torch.cuda.CUDAGraph()

    def record(self, body: Callable[[], T]) -> T:
        """Capture what the body launches, which executes nothing, and then do it. RuntimeError where it cannot be.

        Another thread, which may be decoding images, does not end the capture.
        """
        with torch.cuda.graph(self.graph, pool=_pool(), capture_error_mode="thread_local"):
            result = body()
        self.graph.replay()
        return result

    def replay(self) -> None:
        """Do again what was recorded, on what lies in the same memory now."""
        self.graph.replay()


@cache
def _pool() -> Any:
    """One memory for what passes use on their way: only one is replayed at a time."""
    return torch.cuda.graph_pool_handle()

"""Randomness is positions, not states: each draw has a generator keyed by what it is for.

Nothing of a generator is saved, so nothing can be restored wrongly: a resumed run asks for the same keys.
"""

import hashlib

import torch


def key(*position: int | str) -> int:
    """A 63-bit key of a position such as (seed, "order", epoch); equal positions have equal keys, on any machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in position)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*position: int | str) -> torch.Generator:
    """A CPU generator that stands at the beginning of its position's own stream."""
    return torch.Generator().manual_seed(key(*position))


def rekey(device: torch.device, *position: int | str) -> None:
    """Put torch's default generator of a device (from which dropout and its kin draw) at a position."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(key(*position))
    else:
        torch.default_generator.manual_seed(key(*position))

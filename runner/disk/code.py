"""Whether two runs were made by the same code: the digests of the model's and the tricks' files.

configs/same_code.yaml lists files that were changed in words only (types, comments), with the digests that they had
before: runs of then and of now are of one code. An entry holds only while the file is as the entry says.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tricktable.runner.config import CONFIGS


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files of either that are not of one code, in order; those that only one of them has are among them."""
    return [
        name
        for name in sorted(then.keys() | now.keys())
        if _representative(name, then.get(name)) != _representative(name, now.get(name))
    ]


def _representative(name: str, digest: str | None) -> str | None:
    """One digest for all that compute the same."""
    entry = _same().get(name, {})
    return entry["is"] if digest in entry.get("was", ()) else digest


@cache
def _same() -> dict[str, Any]:
    path = CONFIGS / "same_code.yaml"
    if not path.is_file():
        return {}
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}

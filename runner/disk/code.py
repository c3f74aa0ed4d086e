"""Whether two runs were made by the same code: the digests of the model's and the tricks' files.

configs/same_code.yaml lists files that were changed in words only (types, comments), with the digests that they had
before: runs of then and of now are of one code. An entry holds only while the file is as the entry says.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tricktable.runner.config import CONFIGS

if TYPE_CHECKING:
    from tricktable.runner.disk.info import Identity


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files of either that are not of one code, in order; those that only one of them has are among them."""
    return [
        name
        for name in sorted(then.keys() | now.keys())
        if _representative(name, then.get(name)) != _representative(name, now.get(name))
    ]


def of_another(state: Mapping[str, Any], identity: "Identity") -> str:
    """Of which other run a checkpoint with this state is, in words; nothing where it is this one's, or does not say."""
    made = state.get("run")
    if made is None:
        return ""
    if not isinstance(made, dict) or not all(isinstance(made.get(each), dict) for each in ("code", "teachers")):
        return "it does not say of which run it is"
    if made.get("config_hash") != identity.config_hash:
        its = str(made.get("config_hash"))[:8]
        return f"it is another run's: its config or seed is of ...-{its}, and not of ...-{identity.config_hash[:8]}"
    if made.get("fingerprint") != identity.fingerprint:
        return "it is another run's: that trained on other images"
    files = [*changed(made["code"], identity.code), *changed(made["teachers"], identity.teachers)]
    return f"it is another run's: {', '.join(files[:3])} changed since" if files else ""


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

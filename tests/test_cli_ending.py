"""How a command ends that a signal meets outside of training."""

import os
import signal

import pytest
from omegaconf.errors import OmegaConfBaseException

from tricktable.runner import cli
from tricktable.runner.config import compose


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGUSR1", 75), ("SIGINT", 130)])
@pytest.mark.parametrize("error", [OmegaConfBaseException, TypeError])
def test_a_signal_counts_for_more_than_what_a_library_raises_after_it(monkeypatch, capsys, error, name, code):
    """Seen: a SIGTERM while OmegaConf set its flags back was said to be a bad config, exit 2, and nobody went on."""

    def composing(*_, **__):
        try:
            os.kill(os.getpid(), signal.Signals[name])
        finally:
            raise error("on the way out")

    monkeypatch.setattr(compose.plain, "composed", composing)
    compose._composed.cache_clear()
    with pytest.raises(SystemExit) as ended:
        cli.main(["show"])
    assert ended.value.code == code
    assert capsys.readouterr().err == (
        f"tricktable: {name}: run the same command again to go on\n" if code == 75 else ""
    )


def test_an_error_that_nobody_foresaw_is_a_traceback(monkeypatch):
    def composing(*_, **__):
        raise TypeError("ours")

    monkeypatch.setattr(compose.plain, "composed", composing)
    compose._composed.cache_clear()
    with pytest.raises(TypeError, match="ours"):
        cli.main(["show"])

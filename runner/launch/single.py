"""One run, in this process: its summary, and what the command that asked for it ends with."""

import os
from collections.abc import Sequence

from tricktable.runner.config.schema import Config
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import Diverged, ExpectationFailed, RunFailed
from tricktable.runner.launch import expect
from tricktable.runner.training import job, ranks
from tricktable.runner.training import summary as summaries
from tricktable.runner.training.follow import follow


def trained(
    config: Config, expectations: Sequence[expect.Expectation]
) -> tuple[Summary | None, Diverged | RunFailed | ExpectationFailed | None]:
    """The summary, and the error that the command ends with. What failed or diverged holds no expectation.

    Neither in a process that takes part in a run of another.
    """
    mine = ranks.place(config.compute.processes, os.environ)
    if mine.rank:
        follow(config, mine)
        return None, None
    try:
        summary = job.execute(config)
    except (Diverged, RunFailed) as error:
        diverged = error.folder if isinstance(error, Diverged) else None
        missed = expect.misses(expectations, None, str(error))
        ending = ExpectationFailed(missed[0]) if missed else error
        return Summary.read(RunFiles(diverged).summary) if diverged else None, ending
    print(summaries.outcome(summary, config.output.root))
    try:
        expect.check(expectations, summary)
    except ExpectationFailed as error:
        return summary, error
    return summary, None

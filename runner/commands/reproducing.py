"""reproduce: the campaign, and its page."""

import argparse
from pathlib import Path

from tricktable.runner import machine
from tricktable.runner.commands.arguments import Commands, add_command, take_overrides, take_pool
from tricktable.runner.commands.engines import pool_of


def add(commands: Commands) -> None:
    """Add this command, with its arguments."""
    about = "papers' tables by priority (configs/campaign.yaml), each kept in results/ once it is whole"
    parser = add_command(commands, "reproduce", reproduce, about, False)
    parser.add_argument("--minutes", type=float, help="stop then, with all saved; the same command goes on")
    parser.add_argument(
        "--budget", choices=("smoke", "short", "paper"), help="of every table; by default as the file says"
    )
    parser.add_argument(
        "--results", metavar="DIR", type=Path, default=Path("results"), help="where whole tables are kept (results)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what comes in which order, what exists, and the hours"
    )
    parser.add_argument("--markdown", action="store_true", help="every claim with what became of it, for documents")
    take_pool(parser)
    take_overrides(parser)


def reproduce(arguments: argparse.Namespace) -> int:
    """The campaign, as far as the time goes; what it would do; or the page of all claims."""
    machine.import_torch()
    if arguments.markdown:
        from tricktable.runner.report import reproductions

        print(reproductions.markdown(arguments.results))
        return 0
    from tricktable.runner.launch import limits
    from tricktable.runner.papers import campaign as order
    from tricktable.runner.report import campaign

    bounds = {**pool_of(arguments), "until": limits.until("--minutes", arguments.minutes)}
    read = order.load()
    steps = order.steps(read, arguments.budget)
    if arguments.dry_run:
        campaign.dry_run(read, steps, arguments.overrides, arguments.results)
        return 0
    done = campaign.work(steps, arguments.overrides, arguments.results, **bounds)
    campaign.raise_for(done)
    print(done.said)
    return 0

"""`python -m runner` is `tricktable`; `python -m runner --child-of <pid> ...` is one that stops with that process."""

import sys

from runner.cli import main
from runner.launch.child import CHILD_OF, stop_with

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == [CHILD_OF]:
        stop_with(int(arguments[1]))
        arguments = arguments[2:]
    main(arguments)

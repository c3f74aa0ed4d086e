"""`python -m tricktable` is `tricktable`; behind `--child-of <pid>` it is one that stops with that process."""

import sys

from tricktable.runner.cli import main
from tricktable.runner.launch.child import CHILD_OF, stop_with

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == [CHILD_OF]:
        stop_with(int(arguments[1]))
        arguments = arguments[2:]
    main(arguments)

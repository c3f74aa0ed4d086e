"""What can be asked for: the keys, their types, and how what is typed becomes one validated, frozen config.

It imports nothing of the other rooms.
"""

from tricktable.runner.config.roots import PACKAGE

CONFIGS = PACKAGE.configs  # the package's own; roots.py has those of one's own too

"""tricktable: name a model, an optimizer, a schedule and some tricks; get the paper's table back, measured.

The folders beside this file are the parts of the package: tricktable.runner, tricktable.models and tricktable.tricks,
with configs/ as data. In a checkout they lie at its top, for that is where people look for them; an installed package
has them in a folder, with this file as its __init__. The same two lines serve both.
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parent)]

if __name__ == "__main__":  # `python -m tricktable` in a checkout, where this file is a module
    import runpy

    runpy.run_module("tricktable.runner", run_name="__main__", alter_sys=True)

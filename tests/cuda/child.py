"""The process with the fake device: it reads cases from its input, and writes a line of JSON for each.

A case is [name, {overrides, precision ...}], the arguments of `fake.report`; an error in one is its result.
"""

import gc
import json
import os
import sys
import traceback
import warnings


def main():
    os.environ.pop("LD_PRELOAD", None)  # not for processes that this one starts
    warnings.simplefilter("ignore")  # torch warns of a driver that is not there
    import torch

    from tests.cuda import fake

    gc.disable()  # to take graphs of fake tensors apart crashes torch at times; a group's cases fit the memory
    torch.set_num_threads(1)
    fake.pretend()
    for name, case in json.load(sys.stdin):
        try:
            result = fake.report(**case)
        except Exception as error:
            frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            result = {"error": f"{type(error).__name__}: {error}"[:600], "frames": frames[-12:]}
        print(json.dumps([name, result]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()

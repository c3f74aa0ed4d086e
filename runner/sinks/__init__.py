"""Where a run's rows go besides metrics.csv, one library a file: configs/log/<name>.yaml is runner/sinks/<name>.py.

    sinks.check(names)          BadInput where a library is not installed
    sinks = sinks.Sinks(names)  start, row, finish; what goes wrong in one is a line, and that one is off

A sink is the one public class of its file, sink.Sink; it imports its library when it starts. It imports disk.
"""

from tricktable.runner.sinks.sink import Begun, Sinks, check

__all__ = ["Begun", "Sinks", "check"]

"""What starts a launch's runs: here, through Slurm or through Ray, one engine a file, chosen by `--engine`.

    engines.engine     what an engine offers, and the process of a run
    engines.local      processes of this machine: what is meant unless told
    engines.elsewhere  a process of another machine, from both sides
    engines.choice     configs/engine/<name>.yaml and what was typed -> an engine

A launch, its verdicts and its tables are the same with each. It imports what launch does, and is imported by it.
"""

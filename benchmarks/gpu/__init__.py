"""All that waits for a card, by one command: `python -m benchmarks.gpu --minutes 10`.

steps.py has the table of steps, ledger.py the file that their rows go to; attempt.py makes a step in a process of its
own. suite, capture, epochs, packing, padded, tables are what the steps run, and print a row of JSON on a line.
"""

"""The commands: the arguments of each, and what it does with them. What a command needs is imported when it runs.

It imports every room, and nothing heavy before it is used.
"""

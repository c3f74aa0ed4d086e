"""What can be asked for: the keys, their types, and how what is typed becomes one validated, frozen config.

It imports nothing of the other rooms.
"""

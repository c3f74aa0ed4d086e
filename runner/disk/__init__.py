"""What lies on disk: run folders, checkpoints, tables, summaries, each whole or absent; and how they are found again.

It imports config, and nothing of data, its neighbour.
"""

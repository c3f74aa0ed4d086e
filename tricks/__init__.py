"""Tricks, one a file, in the folder of the place where they act. They import torch (and numpy) only."""

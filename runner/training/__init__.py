"""One run: config -> objects -> the loop -> its summary. The config ends here, in build.py.

It imports disk, data and config.
"""

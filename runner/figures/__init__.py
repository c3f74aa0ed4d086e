"""What papers draw of finished runs, one figure a file: its first line is what `tricktable list figures` prints.

    figure.make(name, runs, overrides)      the files of a figure: pictures, and what they show as CSV

A figure is the one public function of runner/figures/<name>.py, `(runs, images, **arguments) -> figure.Figure`. Its
runs are complete ones; with those that diverged where it takes figure.Ended. It imports report's drawing, explore and
what lies below; nothing imports it but the front.
"""

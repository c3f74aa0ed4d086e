"""The runner: composes a config, builds a run from it, trains, and writes tables. It names no trick and no model."""

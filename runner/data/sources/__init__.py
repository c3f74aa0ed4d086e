"""The data sources: one file and one public function of its name each, called by tricktable.runner.data.load."""

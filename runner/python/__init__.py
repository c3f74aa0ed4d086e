"""What `import tricktable` offers: networks of finished runs, trainings, runs and tables for Python and notebooks.

The package's own names (tricktable.py) come from the files here. It imports every room below it.
"""

import os

# As for the commands: spinning threads wait for descheduled partners; torch reads it when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

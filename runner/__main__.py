"""`python -m runner` is `tricktable`."""

from runner.cli import main

if __name__ == "__main__":
    main()

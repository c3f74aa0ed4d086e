"""What can be asked for: the keys, their types, and how what is typed becomes one validated, frozen config.

It imports nothing of the other rooms.
"""

from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

"""Published results of the same kind of task that are no rows of Table 2: what a level is worth (facts, read)."""

from dataclasses import dataclass
from pathlib import Path

from wagf_src import plain_yaml

FILE = Path(__file__).with_name("yardsticks.yaml")


@dataclass(frozen=True)
class Yardstick:
    """A result as its source states it; the fields of ``yardsticks.yaml``."""

    name: str
    images: str
    n: int
    note: str
    source: str
    hits: int | None = None
    balanced: float | None = None


YARDSTICKS = tuple(Yardstick(name, **entry) for name, entry in plain_yaml.read(FILE).items())

"""What the printed numbers of Table 2 are in the works they cite, and the row that the table lacks (facts, read)."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

from wagf_src import plain_yaml
from wagf_src.paper import published
from wagf_src.paper.published import Row

FILE = Path(__file__).with_name("table2_sources.yaml")


@dataclass(frozen=True)
class Source:
    """What a work says of the number that Table 2 prints for it; the fields of ``table2_sources.yaml``."""

    row: str
    data: str
    split: str
    metric: str
    same_metric: str
    same_images: str
    source: str
    basis: str
    note: str = ""
    n: int | None = None
    # Of the row that the table lacks.
    model: str = ""
    hits: int | None = None
    left: int | None = None
    augmented: int | None = None
    supports: dict = field(default_factory=dict)
    table3: dict = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Percent, where the hits are stored."""
        return None if self.hits is None else 100 * self.hits / self.n


@functools.cache
def sources() -> dict[str, Source]:
    """All entries by row: those of Table 2, in its order of the file, then the missing one."""
    return {row: Source(row=row, **entry) for row, entry in plain_yaml.read(FILE).items()}


def missing() -> Source:
    """The row that Table 2 lacks."""
    (source,) = (s for s in sources().values() if s.row not in {row.row for row in published.TABLE2})
    return source


def missing_row() -> Row:
    source = missing()
    return Row("not in Table 2", source.row, source.model, round(source.accuracy, 2), None, None, None, source.n)


def same_values() -> list[str]:
    """Rows of Table 2 whose accuracy stands, to the digit, in the missing work's own table of earlier work."""
    return [row for row, value in missing().table3.items() if published.row(row).accuracy == round(100 * value, 2)]

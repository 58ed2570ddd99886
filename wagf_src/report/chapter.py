"""What every chapter does in a line: read a table, show a figure, say a computed sentence."""

import base64
import io
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure
from PIL import Image

from wagf_src import atomic, paths
from wagf_src.profile import Profile
from wagf_src.report import evidence, figures, tables
from wagf_src.runs import Run, provenance_line, shown_runs

_PALETTE, _DRAWN_WITH = 256, 4096


@dataclass(frozen=True)
class Picture:
    """A Matplotlib figure as a notebook shows it: its finding is its alternative text (``style.with_alt_text``)."""

    figure: Figure

    @cached_property
    def png(self) -> bytes:
        """Drawn once: of lines and text with a palette, a third of the bytes; with all colours where gradients would
        band. White stays white and no channel moves by more than 16 of 255."""
        full, png = io.BytesIO(), io.BytesIO()
        # Packed only once, below.
        self.figure.savefig(full, bbox_inches="tight", metadata={"Software": None}, pil_kwargs={"compress_level": 0})
        with Image.open(full) as image:
            image = image.convert("RGB")
            if image.getcolors(_DRAWN_WITH):
                image = image.quantize(_PALETTE, Image.Quantize.MAXCOVERAGE)
            image.save(png, "png", optimize=True)
        return png.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        png, alt = base64.b64encode(self.png).decode(), self.figure.get_label()
        return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}}


class Chapter:
    """The tables, runs and figures of a profile, as its chapters show them.

    Args:
        profile: name of a profile, as in ``notebooks/profiles``.
    """

    def __init__(self, profile: str):
        self.profile, self._tables = profile, {}

    @cached_property
    def _evidence(self) -> evidence.Evidence:
        return evidence.collect(self.profile, {})

    @property
    def runs(self) -> list[Run]:
        """The profile's own runs, else the committed ones; UserError if there are none."""
        return self._evidence.runs or shown_runs(self.profile, required=True)

    @property
    def settings(self) -> Profile:
        """The profile's settings."""
        return self._evidence.settings

    @property
    def provenance(self) -> str:
        """One line that says what the profile's own results rest on."""
        return provenance_line(self.runs)

    @property
    def conditions(self) -> dict[str, list[Run]]:
        """The real runs of every profile that has some."""
        return self._evidence.conditions

    def table(self, name: str) -> pd.DataFrame:
        """A table of ``report.tables``, read once; UserError if it was not made."""
        if name not in self._tables:
            self._tables[name] = tables.read(self.profile, name)
        return self._tables[name]

    def figure(self, name: str, figure, provenance: str | None = None):
        """A Matplotlib figure stamped with what it rests on (the profile's runs unless said otherwise) and saved.

        None, as plots return it for no rows, becomes a line that says so.
        """
        if figure is None:
            return Markdown("Nothing to draw yet.")
        picture = Picture(figures.stamp(figure, provenance or self.provenance))
        atomic.write_bytes(paths.RESULTS_DIR / self.profile / "figures" / f"{name}.png", picture.png)
        return picture

    def draw(self, name: str, plot, *frames, otherwise: str = "Nothing to draw yet.", save: bool = True):
        """A plot of frames, the table of this name if none is given, stamped with what the first rests on and saved.

        That is its provenance, or, of a table of several conditions, their names. ``otherwise`` is said where it has no
        rows; without ``save`` the figure is only shown.
        """
        frames = frames or (self.table(name),)
        if frames[0].empty:
            return Markdown(otherwise)
        figure, provenance = plot(*frames), self.stamp(frames[0])
        return self.figure(name, figure, provenance) if save else Picture(figures.stamp(figure, provenance))

    @staticmethod
    def stamp(frame: pd.DataFrame) -> str:
        """What stands under a figure of this table."""
        if "condition" not in frame:
            return frame["provenance"].iloc[0]
        return "; ".join(
            f"{name}: {condition.replace('; ', ', ')}"
            for name, condition in frame[["profile", "condition"]].drop_duplicates().itertuples(index=False)
        )

    def rests_on(self, note: str = "") -> Markdown:
        """The line that opens a chapter's evidence, with a note of whole sentences."""
        return Markdown(f"**This page rests on:** {self.provenance}. {note}".rstrip())

    @staticmethod
    def answer(sentences: str) -> Markdown:
        return Markdown(f"**Answer**: {sentences}")

    @staticmethod
    def show(frame: pd.DataFrame, otherwise: str = "Nothing to show yet."):
        """A data frame as a table for people, or ``otherwise`` where it has no rows."""
        # An empty Markdown would be shown as Python names it.
        return figures.table(frame) if len(frame) else Markdown(otherwise or "<!-- nothing -->")

    text = Markdown

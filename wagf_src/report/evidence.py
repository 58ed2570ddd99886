"""All runs at hand, by condition: what every table is computed from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from wagf_src.data import dataset, ham10000
from wagf_src.errors import UserError
from wagf_src.profile import Profile, candidates, known_profile, load_profile
from wagf_src.runs import Run, provenance_line, real_profiles, shown_runs


@dataclass(frozen=True)
class Evidence:
    """What the book of one profile rests on.

    Attributes:
        profile: name of the profile whose book it is.
        runs: its finished runs, the reader's own or the committed ones; may be empty.
        conditions: the real runs of every profile that has some, by profile name.
        makers: how each table is made, by name (``report.tables.TABLES``).
        tried: the real runs of candidates for the model of our own, whose test images nobody looks at, by profile name.
    """

    profile: str
    runs: list[Run]
    conditions: dict[str, list[Run]]
    makers: Mapping[str, Callable[["Evidence"], pd.DataFrame | None]]
    tried: dict[str, list[Run]] = field(default_factory=dict)
    _made: dict = field(default_factory=dict, repr=False)

    @cached_property
    def settings(self) -> Profile:
        """The profile's settings; those of a file of the reader's own stand in its runs as well."""
        if known := known_profile(self.profile):
            return known
        return self.runs[0].made_with if self.runs else load_profile(self.profile)

    @cached_property
    def metadata(self) -> pd.DataFrame | None:
        """The metadata of the profile's images, one row an image; None where they are not at hand."""
        try:
            ham10000.find_metadata(dataset.folder(self.settings))
        except UserError:
            return None
        return dataset.load_metadata(self.settings)

    @cached_property
    def data_name(self) -> str | None:
        """What the profile's images are called, by their metadata (``ham10000.metadata_name``); None without them."""
        if self.metadata is None or self.settings.synthetic:
            return None if self.metadata is None else "SYNTHETIC"
        return ham10000.metadata_name(dataset.folder(self.settings), self.metadata)

    @cached_property
    def provenance(self) -> str:
        """One line that says what the profile's own results rest on."""
        return provenance_line(self.runs)

    def table(self, name: str) -> pd.DataFrame | None:
        """Another table, made at most once, so that tables need no order; None where its data are not at hand."""
        return self.once(self.makers[name])

    def once(self, make: Callable[["Evidence"], Any]) -> Any:
        """What a function makes of this evidence, made at most once: several tables rest on it."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def know(self, made: Mapping[Callable, Any]) -> None:
        """Take over what another process has made of the same evidence."""
        self._made.update(made)


def collect(profile: str, makers: Mapping[str, Callable[[Evidence], pd.DataFrame | None]]) -> Evidence:
    """The evidence for a profile's book."""
    conditions, names = real_profiles(), [candidate.name for candidate in candidates()]
    tried = {name: conditions.pop(name) for name in names if name in conditions}
    return Evidence(profile, shown_runs(profile), conditions, makers, tried)

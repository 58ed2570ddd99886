"""Which 30% validated in the stored notebooks: the experiment's sentences, from table ``which30``."""

import pandas as pd

from wagf_src.paper import which30
from wagf_src.profile import load_profile

PROFILES = ("paper", "released")  # they follow the verdict


def result(compared: pd.DataFrame) -> str:
    """What the stored logs show, what our two runs showed, and the verdict by the rule of page Plans."""
    stored, ours = compared[compared["stored"]], compared[~compared["stored"]]
    logs = (
        f"In the {len(stored)} stored trainings validation accuracy lies {100 * stored['gap'].min():.0f} to "
        f"{100 * stored['gap'].max():.0f} points below training accuracy (medians over the epochs that trained at "
        "least as far as ours)."
    )
    verdict = which30.verdict(compared)
    runs = [
        f"Validated {which30.RULES[line.name]} (`{line.name}`), ours ends at {100 * line.training:.1f}% on training "
        f"and {100 * line.validation:.1f}% on validation files, {100 * line.gap:+.1f} points apart: "
        f"{'as' if held else 'not as'} expected."
        for line, held in zip(ours.itertuples(), which30.as_expected(compared).values())
    ]
    if verdict == which30.NOT_RUN:
        missing = " and ".join(f"`{name}`" for name in which30.RULES if name not in set(ours["name"]))
        text = f"**Not run yet**: {missing} (`make reproduce PROFILE=...`, some 40 minutes each on a quiet CPU core)."
    elif verdict == which30.OPEN:
        fits = stored["fits"].map(which30.RULES).fillna("neither").value_counts()
        text = f"**The verdict is open**: logs that fit {', '.join(f'{k}: {n}' for k, n in fits.items())}."
    else:
        text = f"**The verdict: {which30.RULES[verdict]}.** All {len(stored)} logs lie nearer to that run."
    return " ".join([logs, *runs, text, _profiles(verdict)])


def _profiles(verdict: str) -> str:
    now = {load_profile(name).validation for name in PROFILES}
    names = " and ".join(f"`{name}`" for name in PROFILES)
    how = {"names": "take validation files by name", "copies": "draw validation files at random"}
    ways = " and ".join(how.get(v, v) for v in sorted(now))
    decided = verdict in which30.VALIDATION
    follows = ", as it says" if decided and now == {which30.VALIDATION[verdict]} else ", against it" if decided else ""
    return f"The profiles {names} {ways}{follows}."

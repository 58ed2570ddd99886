"""What the scorecard says and shows, from the table of claims."""

import re
import string

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.paper import claims
from wagf_src.runs import by_arm, load_runs, provenance_line

KIND = {  # classes of book.css
    claims.REPRODUCED: "reproduced",
    claims.NOT_REPRODUCED: "not-reproduced",
    claims.CONTRADICTED: "contradicted",
    claims.NOT_TESTABLE: "not-testable",
}
KNOWN = {claim.id: claim for claim in claims.LEDGER}
NOTHING = claims.Outcome.rests_on
COUNTED = [claim.id for claim in claims.LEDGER if claim.chapter == "protocol"]


def answer(ledger: pd.DataFrame) -> str:
    """How many claims got each verdict, and which."""
    counts = ledger["verdict"].value_counts()
    lists = [
        f"\n\n*{verdict.capitalize()}:* {'; '.join(ledger['claim'][ledger['verdict'] == verdict])}."
        for verdict in claims.VERDICTS[:3]
        if verdict in counts
    ]
    totals = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in claims.VERDICTS)
    return f"{totals}, of {len(ledger)} claims." + "".join(lists)


def rests_on(profile: str) -> str:
    """What the profile has at hand, and a warning where it is synthetic."""
    runs = load_runs(profile, required=False)
    lines = [f"**This page rests on** {provenance_line(runs)} (profile `{profile}`)."]
    if runs:
        environments = [run.info["environment"] for run in runs]
        devices = sorted({f"{e['device']} ({e.get('cpu', 'processor not recorded')})" for e in environments})
        own = runs[0].path.is_relative_to(paths.RESULTS_DIR / profile)
        where = "made on this machine or copied to it" if own else "committed with the book"
        lines.append(f"Runs: {len(runs)}, of {len(by_arm(runs))} arm(s), {where}; computed on {', '.join(devices)}.")
    else:
        lines.append("No runs yet: only what needs none is decided.")
    if any(run.synthetic for run in runs):
        lines.append(
            "**SYNTHETIC: the images are generated. They show that everything runs; no claim about HAM10000 is judged "
            "by them.**"
        )
    return "\n\n".join(lines)


def bases(ledger: pd.DataFrame) -> str:
    """What verdicts rest on, each with its letter and its verdicts."""
    rows = [(f"**{letter}**", basis, _tally(ledger[ledger["rests_on"] == basis])) for basis, letter in _letters(ledger)]
    rows.append(("", f"all {len(ledger)} claims", _tally(ledger)))
    return _table(("", "what the verdicts rest on", "verdicts"), rows)


def table(ledger: pd.DataFrame, part: str) -> str:
    """Claims with paper, ours and verdict.

    Args:
        part: ``described`` or ``released`` (claims about the model in that reading), ``counts``, or ``other``.
    """
    letters, rows = dict(_letters(ledger)), []
    for line in ledger[_parts(ledger) == part].itertuples():
        unit = KNOWN[line.id].unit
        interval = "" if np.isnan(line.ci_low) else f"<br>[{line.ci_low:.1f}, {line.ci_high:.1f}]"
        basis = NOTHING if line.rests_on == NOTHING else letters[line.rests_on]
        claim = re.sub(r" \(as (described|released)\)$", "", line.claim)
        rows.append(
            (
                f"{claim} ({line.section})<br>{_first_clause(line.evidence)}",
                _number(line.paper_value, unit, 2),
                _number(line.our_value, unit) + interval,
                f"{_mark(line.verdict)}<br>rests on {basis}",
            )
        )
    return _table(("claim (place), and evidence", "paper", "ours [95% interval]", "verdict"), rows)


def in_full(ledger: pd.DataFrame) -> str:
    """Everything that was found on each claim, by what it rests on."""
    texts = []
    for basis, letter in _letters(ledger):
        remarks = _remarks(ledger[(ledger["rests_on"] == basis) & ~ledger["id"].isin(COUNTED)])
        texts += [f"**{letter}** {basis}\n\n{remarks}"] if remarks else []
    return "\n\n".join(texts)


def tests() -> str:
    """Test and tolerance of every claim, with the reason for the tolerance."""
    rows = [
        (c.claim.removesuffix(" (as described)"), c.how, c.tolerance, c.justification)
        for c in claims.LEDGER
        if not c.id.endswith("-released")
    ]
    return _table(("claim", "test", "tolerance", "because"), rows)


def _parts(ledger):
    reading = ledger["id"].str.extract("-(described|released)$")[0].fillna("other")
    return reading.mask(ledger["id"].isin(COUNTED), "counts")


def _letters(ledger):
    """What verdicts rest on, in the order in which the tables need them, with letters; without results, a dash."""
    ordered = sorted(ledger["rests_on"].unique(), key=lambda basis: (basis == NOTHING, basis == claims.MATHEMATICS))
    return [(basis, "–" if basis == NOTHING else letter) for basis, letter in zip(ordered, string.ascii_uppercase)]


def _remarks(lines):
    """One line a finding, with the claims that share it; what a claim has of its own stands behind it."""
    shared = {}
    for line in lines.itertuples():
        link, _, note = line.evidence.partition(": ")
        first, *own = note.split("; ")
        shared.setdefault(first, []).append(
            f"{claims.SYMBOLS[line.verdict]} *{line.claim}* ({'; '.join([link, *own])})"
        )
    return "\n".join(f"- {first[:1].upper()}{first[1:]}: {'; '.join(sharing)}." for first, sharing in shared.items())


def _first_clause(evidence):
    """The link, and of what follows only what weighs most: what is missing, or which arms were compared."""
    return re.sub(r"(not the paper's conditions) \(.*", r"\1", evidence.split("; ")[0])


def _tally(lines):
    number = lines["verdict"].value_counts()
    return " ".join(f"{_mark(verdict)} {number[verdict]}" for verdict in claims.VERDICTS if verdict in number)


def _mark(verdict):
    """Symbol and words, so that colour is never needed to read a verdict."""
    return f'<span class="verdict {KIND[verdict]}">{claims.SYMBOLS[verdict]} {verdict}</span>'


def _number(value, unit, decimals=1):
    """A value with its unit; a dash where there is none."""
    if np.isnan(value):
        return "–"
    if unit in ("images", "files", "classes"):
        return f"{value:,.0f}"
    value = round(value, decimals) + 0.0  # no minus before a zero
    if unit in ("%", "points"):
        return f"{value:.{decimals}f}%" if unit == "%" else f"{value:+.{decimals}f} points"
    return f"{unit}: {value:g}"


def _table(head, rows):
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])

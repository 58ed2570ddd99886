"""What the scorecard says and shows, from the tables of claims, conditions and steps."""

import re

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.arms import parse_arm
from wagf_src.paper import claim_tests, claims, directions
from wagf_src.paper.claim_tests import AGREES, CONTRADICTED, DIFFERS, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, SYMBOLS
from wagf_src.report.prose.conditions import called, has_one_seed, heads, leading, real
from wagf_src.report.text import markdown_table, p_value, points
from wagf_src.runs import by_arm, provenance_line, shown_runs

KIND = {  # classes of book.css
    REPRODUCED: "reproduced",
    NOT_REPRODUCED: "not-reproduced",
    CONTRADICTED: "contradicted",
    NOT_TESTABLE: "not-testable",
    AGREES: "reproduced",
    DIFFERS: "not-reproduced",
}
COUNTED = {AGREES: ("agrees", "agree"), DIFFERS: ("differs", "differ"), NOT_TESTABLE: ("is open", "are open")}


def bear_in_mind(shown: pd.DataFrame, steps: pd.DataFrame) -> str:
    """What limits those of some steps that are shown, without the last full stop: what they share, and one seed."""
    if shown.empty:
        return ""
    text, a, b = "", shown["arm_a"].map(parse_arm), shown["arm_b"].map(parse_arm)
    if all(x.module.has_fusion and not y.module.has_fusion for x, y in zip(a, b)):
        text += f". {'All of these add' if len(shown) > 1 else 'It adds'} the fusion with its branch, wavelet and all"
    end_to_end = steps["condition"].str.contains("end to end").sum()
    if end_to_end and not shown["condition"].str.contains("end to end").any():
        text += f". Of the {end_to_end} steps trained end to end, none is shown"
    if has_one_seed(shown).any():
        text += ". What one seed shows is shown of those networks, not of training such networks"
    return text


def counted(ledger: pd.DataFrame) -> str:
    """How many claims there are, those asked of two readings twice."""
    ids = ledger.loc[ledger["part"] == "claims", "id"]
    both = (ids.str.endswith("-described")).sum()
    return f"{len(ids)} claims ({len(ids) - both} different ones, {both} of them asked of both readings of the model)"


def tally(ledger: pd.DataFrame) -> str:
    """How many claims there are and how many got each verdict: ``of 19 claims (...), 0 reproduced, ...``."""
    verdicts = ledger.loc[ledger["part"] == "claims", "verdict"]
    totals = ", ".join(f"{(verdicts == verdict).sum()} {verdict}" for verdict in claim_tests.VERDICTS)
    return f"of {counted(ledger)}, {totals}"


def answer(ledger: pd.DataFrame, steps: pd.DataFrame) -> str:
    """The two tallies, which claims were decided, and which directions are shown anywhere (``all_steps``)."""
    parts = {part: lines["verdict"].value_counts() for part, lines in ledger.groupby("part")}
    decided = parts["claims"]
    agreed = ", ".join(f"{n} {COUNTED[verdict][n != 1]}" for verdict, n in parts["counts"].items())
    text = f"{tally(ledger)}. Of {parts['counts'].sum()} counts of files and images, which are no claims "
    text += f"about the model, {agreed}."
    if not {REPRODUCED, NOT_REPRODUCED} & set(decided.index):
        text += (
            "\n\nNo condition at hand can decide a claim about modules or backbones: that takes DenseNet-121 trained "
            "end to end, with two seeds or more. What other conditions show stands beside each claim."
        )
    text += f"\n\n{_shown(steps)}" if len(steps) else ""
    for verdict in claim_tests.VERDICTS[:3]:
        lines = ledger[(ledger["part"] == "claims") & (ledger["verdict"] == verdict)]
        names = lines["claim"]
        if verdict == CONTRADICTED:  # it hangs on a reading, which the evidence names first, behind its link
            readings = [evidence.split("; ")[0].partition("): ")[2] for evidence in lines["evidence"]]
            names = [f"{claim} ({reading})" for claim, reading in zip(names, readings)]
        text += f"\n\n*{verdict.capitalize()}:* {'; '.join(names)}." if len(names) else ""
    return text


def _shown(steps):
    """Steps of ladders and backbones that are shown in some condition, whether it can decide or not."""
    steps = real(steps[steps["kind"].isin(["ladder", "backbone"])])
    shown = steps[steps["p_holm"] < directions.LEVEL]
    lines = [
        f"{line.comparison}, {points(line.difference, line.ci_low, line.ci_high)} (`{line.profile}`)"
        for line in shown.itertuples()
    ]
    summary = f"{len(lines)} {'is' if len(lines) == 1 else 'are'} shown" + (f": {'; '.join(lines)}" if lines else "")
    text = f"Of {len(steps)} steps of ladders and between backbones, in all conditions, {summary}"
    text += f"{bear_in_mind(shown, steps)}."
    first = leading(steps)
    if first["profile"].nunique() == steps["profile"].nunique():
        return text
    clear = (first["p_holm"] < directions.LEVEL).sum()
    return f"In {called(first)}, {heads(first).iloc[0]}, {clear} of {len(first)} steps are shown. {text}"


def rests_on(profile: str) -> str:
    """What the profile has at hand, and a warning where it is synthetic."""
    runs = shown_runs(profile)
    lines = [f"**This page rests on** {provenance_line(runs)} (profile `{profile}`), and on the conditions below."]
    if runs:
        environments = [run.info["environment"] for run in runs]
        devices = sorted({f"{e['device']} ({e.get('cpu', 'processor not recorded')})" for e in environments})
        own = runs[0].path.is_relative_to(paths.RESULTS_DIR / profile)
        where = "made on this machine or copied to it" if own else "committed with the book"
        n, m = len(runs), len(by_arm(runs))
        lines.append(f"{n} run{'s' * (n != 1)} of {m} arm{'s' * (m != 1)}, {where}; computed on {', '.join(devices)}.")
    else:
        lines.append("No runs of this profile yet.")
    if any(run.synthetic for run in runs):
        lines.append(
            "**SYNTHETIC: the images are generated. They show that everything runs; no claim about HAM10000 is judged "
            "by them.**"
        )
    return "\n\n".join(lines)


def conditions(at_hand: pd.DataFrame) -> str:
    """The conditions, the nearest to the paper first, and why they decide nothing."""
    rows = [
        (f"`{line.profile}`", line.runs, line.nearest_arm, line.obstacle or "nothing", line.departures or "nothing")
        for line in at_hand.fillna("").itertuples()
    ]
    head = ("profile", "runs", "its arm nearest to the paper's", "keeps it from deciding directions", "and levels")
    return markdown_table(head, rows) if rows else "No runs are at hand, of any profile."


def table(ledger: pd.DataFrame, reading: str | None = None) -> str:
    """Claims about the model in a reading, or about neither: paper, verdict, and what other conditions show."""
    rows = []
    for line in (
        ledger[(ledger["part"] == "claims") & (_readings(ledger) == (reading or "none"))].fillna("").itertuples()
    ):
        paper = _number(line.paper_value, line.unit, 2) + _interval(line.paper_low, line.paper_high)
        ours = ""
        if line.our_value != "":
            ours = f"<br>ours: {_number(line.our_value, line.unit)}{_interval(line.ci_low, line.ci_high)}"
            ours += f", {p_value(line.p_holm, 'p = ')}" if line.p_holm != "" else ""
        claim = re.sub(r" \(as (described|released)\)$", "", line.claim)
        verdict = f"{mark(line.verdict)}{ours}<br>{_first_clause(line.evidence)}"
        rows.append((f"{claim} ({line.section})", paper, verdict, line.elsewhere.replace("; ", "<br>") or "–"))
    return markdown_table(("claim (place)", "the paper prints", "verdict", "what other conditions show"), rows)


def counts(ledger: pd.DataFrame) -> str:
    """Counts, and what it says that they agree."""
    because = {claim.id: claim.because for claim in claims.LEDGER}
    rows = [
        (
            f"{line.claim} ({line.section})",
            _number(line.paper_value, line.unit),
            _number(line.our_value, line.unit),
            mark(line.verdict),
            because[line.id],
        )
        for line in ledger[ledger["part"] == "counts"].fillna("").itertuples()
    ]
    return markdown_table(("count (place)", "stated", "counted", "verdict", "because"), rows)


def tests() -> str:
    """Test and tolerance of every claim, with the reason for the tolerance."""
    rows = [
        (claim.claim.removesuffix(" (as described)"), claim.how, claim.tolerance, claim.because)
        for claim in claims.LEDGER
        if claim.part == "claims" and claim.reading != "released"
    ]
    return markdown_table(("claim", "test", "holds if", "because"), rows)


def _readings(ledger):
    return ledger["id"].str.extract("-(described|released)$")[0].fillna("none")


def _first_clause(evidence):
    """The link, and of what follows only what weighs most: what is missing, or what was found."""
    return re.sub(r"(not the paper's conditions) \(.*", r"\1", evidence.split("; ")[0])


def mark(verdict):
    """Symbol and words, so that colour is never needed to read a verdict."""
    return f'<span class="verdict {KIND[verdict]}">{SYMBOLS[verdict]} {verdict}</span>'


def _number(value, unit, decimals=1):
    """A value with its unit; a dash where there is none."""
    if value == "":
        return "–"
    if unit in ("images", "files", "classes"):
        return f"{value:,.0f}"
    value = round(value, decimals) + 0.0  # no minus before a zero
    if unit in ("%", "points"):
        return f"{value:.{decimals}f}%" if unit == "%" else f"{value:+.{decimals}f} points"
    return f"{unit}: {value:g}"


def _interval(low, high):
    return "" if low == "" or np.isnan(low) else f" [{low:.1f}, {high:.1f}]"

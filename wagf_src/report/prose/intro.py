"""What the first page says: the findings in numbers, the tally, one picture; all from other chapters' tables."""

import pandas as pd

from wagf_src.arms import MODULES, arm_label, parse_arm
from wagf_src.paper import claim_tests, directions, published, which30
from wagf_src.report.prose import scorecard
from wagf_src.report.prose.conditions import real
from wagf_src.report.prose.released_code import values
from wagf_src.report.prose.scorecard import bear_in_mind, mark
from wagf_src.report.tables.protocol import AT_RANDOM, BY_NAME
from wagf_src.report.text import markdown_table, percent, points, scientific
from wagf_src.stats.metrics import interval_columns

MEANING = {
    claim_tests.REPRODUCED: "our results support the claim, within its tolerance",
    claim_tests.NOT_REPRODUCED: "our results, under conditions that are able to decide, speak against it",
    claim_tests.CONTRADICTED: "mathematics decides it, in the reading that the scorecard names, whatever the data",
    claim_tests.NOT_TESTABLE: "the results at hand cannot decide; the scorecard says why",
}
NAMES = ("claims", "published_intervals", "f1_bound", "leakage", "released_facts", "fusion_weights")
NAMES += ("haar_conversions", "all_steps", "all_results", "which30")


def answer(*tables: pd.DataFrame) -> str:
    """A finding a line, each with its chapter; ``tables``: those of ``NAMES``, in that order."""
    claims, intervals, f1, leakage, facts, weights, haar, steps, results, compared = tables
    lines = [
        f"[Scorecard](scorecard.ipynb): {scorecard.tally(claims)}",
        f"[The printed numbers](published_numbers.ipynb): {_printed(intervals, f1)}",
        f"[The protocol](protocol.ipynb): {_leaks(leakage, compared)}",
        f"[The released code](released_code.ipynb): {_released(values(facts))}",
        f"[Equation 1](equation1.ipynb): {_weights(weights, haar)}",
        f"[The ablation, in every condition](all_results.ipynb): {_steps(steps)}",
        f"[The best of our own rows](all_results.ipynb): {_best(results)}",
    ]
    return "\n".join(
        ["what is known so far, each line with the page that shows it.\n", *(f"- {line}." for line in lines)]
    )


def _printed(intervals, f1):
    paper = intervals[intervals["place"].str.startswith("Table")]
    theirs = f1["place"].eq("Table 2")
    copied = f" ({(f1['violated'] & theirs).sum()} of them other authors', as printed there)" if theirs.any() else ""
    headline = paper.loc[paper["accuracy"].idxmax()]
    return (
        f"{(paper['grim'] == 'not reachable').sum()} of {len(paper)} accuracies are no number of right answers out of "
        f"{published.N_TEST:,}, {f1['violated'].sum()} of {len(f1)} F1 values exceed what their precision and recall "
        f"allow{copied}, and {headline['accuracy']:.2f}% stands for anything from {headline['ci_low']:.1f}% to "
        f"{headline['ci_high']:.1f}%"
    )


def _leaks(leakage, compared):
    share = leakage[(leakage["class"] == "total") & (leakage["grouping"] == "image")].set_index("protocol")["share"]
    made = "on generated images, " if leakage["provenance"].str.startswith("SYNTHETIC").any() else ""
    random, named = f"{percent(share[AT_RANDOM])}%", f"{percent(share[BY_NAME])}%"
    shares = f"{random} of the validation files (drawn at random) or {named} (taken by file name)"
    if (verdict := which30.verdict(compared)) in which30.RULES:
        share, rule = (named, "taken by file name") if verdict == which30.NAMES else (random, "drawn at random")
        shares = f"{share} of the validation files ({rule}, as the stored logs fit)"
    return f"{made}{shares} show a photograph that is trained on too"


def _released(fact):
    return (
        f"the gradient-based fusion is the constant sum {fact['coefficient_sa']:.2f} F<sub>sa</sub> + "
        f"{fact['coefficient_w']:.2f} F<sub>w</sub>, and of the {fact['kernel_weights']:,.0f} weights of soft "
        f"attention {fact['kernel_learns']:,.0f} ever learn"
    )


def _weights(weights, haar):
    own = weights[weights["fusion"] == "eq1"]
    off = (own["g_w"] - 0.5).abs().max()
    runs = own.groupby(["profile", "run"]).ngroups
    half = f"at one half to {scientific(off)}" if off else "exactly at one half"
    trained = f"its weights stayed {half} in {runs} training runs" if runs else "no run has it"
    apart = haar.select_dtypes("number").max(axis=None)
    return f"{trained}; the wavelet branch equals a strided convolution to {scientific(apart)}"


def _steps(steps):
    ladder = real(steps[steps["kind"] == "ladder"])
    shown = ladder[ladder["p_holm"] < directions.LEVEL]
    texts = [
        f"in `{profile}` ({rows['condition'].iloc[0]}) "
        + ", ".join(f"{s.comparison} {points(s.difference, s.ci_low, s.ci_high)} points" for s in rows.itertuples())
        for profile, rows in shown.groupby("profile", sort=False)
    ]
    text = f"{len(shown)} of {len(ladder)} steps change accuracy" + (f": {'; '.join(texts)}" if texts else "")
    return text + bear_in_mind(shown, ladder)


def _best(results):
    results = real(results)
    if results.empty:
        return "none yet on real images"
    best = results.loc[results["accuracy"].idxmax()]
    ends = (best[interval_columns(name)] for name in ("accuracy", "melanoma_sensitivity"))
    accuracy, sensitivity = (percent(*map(float, line)) for line in ends)
    who = f"{arm_label(best['arm'])} (`{best['profile']}`)"
    return f"{who} reaches {accuracy}% accuracy and finds {sensitivity}% of the melanomas"


def tally(claims: pd.DataFrame) -> str:
    """How many claims got each verdict, and what it means."""
    verdicts = claims.loc[claims["part"] == "claims", "verdict"]
    rows = [(mark(v), (verdicts == v).sum(), MEANING[v]) for v in claim_tests.VERDICTS]
    return markdown_table(("verdict", "claims", "what it means"), rows)


def steps(all_steps: pd.DataFrame) -> pd.DataFrame:
    """The single steps of the described ladder in every condition, as ``figures.differences`` takes them."""
    ladder = all_steps[(all_steps["kind"] == "ladder") & all_steps["paper"].notna()]
    ladder = ladder[~ladder["comparison"].str.contains("released|together")]
    # Rows (i) to (iii) in their order, whichever of them a condition lacks.
    place = ladder["arm_a"].map(lambda arm: list(MODULES).index(parse_arm(arm).modules))
    ladder = ladder.loc[place.sort_values(kind="stable").index]
    labels = [f"{comparison} ({profile})" for comparison, profile in zip(ladder["comparison"], ladder["profile"])]
    return ladder.assign(label=labels, low=ladder["ci_low"], high=ladder["ci_high"], p=ladder["p_holm"])

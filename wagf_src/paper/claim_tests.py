"""How each kind of claim is tested (``claims`` has the rules)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from wagf_src.arms import BACKBONES, PAPER_BACKBONE, arm_label, parse_arm
from wagf_src.classes import CLASSES
from wagf_src.paper import conditions, directions, equation1, published
from wagf_src.runs import Run, by_arm, provenance_line
from wagf_src.stats import bootstrap, paired, proportions

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
CONTRADICTED, NOT_TESTABLE = "contradicted by construction", "not testable here"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, CONTRADICTED, NOT_TESTABLE)
AGREES, DIFFERS = "agrees", "differs"  # of counts
SYMBOLS = {REPRODUCED: "✔", NOT_REPRODUCED: "✘", CONTRADICTED: "⊘", NOT_TESTABLE: "?", AGREES: "=", DIFFERS: "≠"}

NOTHING = "nothing yet"
MATHEMATICS = "mathematics, checked on random maps; no data, no training, any hardware"

# "Efficiently classified" has no number in the paper. The least it can mean: more images right than wrong, every class.
LEAST_RECALL = 50.0

# Rounding error of the two numeric proofs: finite differences (relative, double precision), and sums of 4 C products.
ORBIT_TOLERANCE, CONVOLUTION_TOLERANCE = 1e-6, 1e-10


@dataclass(frozen=True)
class Outcome:
    """What a test gave.

    Attributes:
        our_value, ci_low, ci_high: in the claim's unit, from what decides the claim; NaN where nothing can.
        p_holm: of a direction, corrected.
        note: what is compared, or why there is no verdict.
        rests_on: what the verdict rests on. elsewhere: what conditions show that cannot decide, separated by "; ".
    """

    verdict: str
    our_value: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    p_holm: float = np.nan
    note: str = ""
    rests_on: str = NOTHING
    elsewhere: str = ""


@dataclass(frozen=True)
class Test:
    """``paper``: the printed value with its margin, (value, low, high). ``evaluate``: what evidence gives."""

    paper: tuple[float, float, float]
    evaluate: Callable[[object], Outcome]


@dataclass(frozen=True)
class Measured:
    """A claim's quantity under one condition: what was found there, what it says, and what keeps it from deciding."""

    outcome: Outcome
    summary: str
    nearness: tuple
    obstacle: str | None


NO_NUMBER = (np.nan,) * 3


def decided(measured: list[Measured], missing: str) -> Outcome:
    """The verdict of the nearest condition that can decide, with what the others show, in the order given.

    Args:
        missing: why there is no verdict, where no condition has the models.
    """
    if not measured:
        return Outcome(NOT_TESTABLE, note=missing)
    nearest = sorted(measured, key=lambda m: m.nearness)
    able = next((m for m in nearest if m.obstacle is None), None)
    elsewhere = "; ".join(m.summary for m in measured if m is not able)
    if able is None:
        return Outcome(NOT_TESTABLE, note=nearest[0].obstacle, elsewhere=elsewhere)
    return replace(able.outcome, elsewhere=elsewhere)


def together(outcomes: list[Outcome]) -> Outcome:
    """Of "all of these", the one that the verdict hangs on: the smallest of those that fail, or of all."""
    verdicts = [outcome.verdict for outcome in outcomes]
    verdict = next((v for v in (NOT_REPRODUCED, NOT_TESTABLE) if v in verdicts), REPRODUCED)
    return min((o for o in outcomes if o.verdict == verdict), key=lambda o: o.our_value)


def level(low: float, high: float, wanted: float) -> str:
    """Verdict on "more than ``wanted``" from an interval: above, below, or undecided."""
    if low > wanted:
        return REPRODUCED
    return NOT_REPRODUCED if high < wanted else NOT_TESTABLE


# --- directions ----------------------------------------------------------------------------------------------


def step(higher: str, lower: str, reading: str) -> Test:
    """Do the modules ``higher`` raise accuracy over ``lower``, in this reading?"""

    def pairs(steps):
        for _, line in steps[steps["kind"] == "ladder"].iterrows():
            a, b = parse_arm(line["arm_a"]), parse_arm(line["arm_b"])
            if (a.modules, b.modules, a.reading, a.learning_rate) == (higher, lower, reading, None):
                yield [line]

    below = lower if lower == "base" else f"{lower}-{reading}"
    paper = published.gain("ladder", f"{PAPER_BACKBONE}-{higher}-{reading}", f"{PAPER_BACKBONE}-{below}")
    return Test(paper, lambda evidence: _directions(evidence, pairs))


def backbone() -> Test:
    """Is the paper's backbone better than both others?"""
    rivals = [f"{name}-base" for name in BACKBONES if BACKBONES[name].paper_row and name != PAPER_BACKBONE]

    def pairs(steps):
        rows = steps[(steps["kind"] == "backbone") & steps["arm_a"].str.startswith(f"{PAPER_BACKBONE}-")]
        for suffix in ("", "-random"):
            lines = rows[rows["arm_b"].isin([rival + suffix for rival in rivals])]
            if len(lines) == len(rivals):
                yield [line for _, line in lines.iterrows()]

    nearest = max(rivals, key=lambda rival: published.row(parse_arm(rival).paper_row).accuracy)
    paper = published.gain("backbone", f"{PAPER_BACKBONE}-base", nearest)
    return Test(paper, lambda evidence: _directions(evidence, pairs))


def _directions(evidence, pairs: Callable[[pd.DataFrame], Iterator[list]]) -> Outcome:
    """``pairs`` picks, of the steps of a condition, those that must all be gains; several picks are several arms."""
    steps, measured = evidence.table("all_steps"), []
    for profile, runs in conditions.at_hand(evidence).items():
        arms = by_arm(runs)
        for lines in pairs(steps[steps["profile"] == profile]):
            names = dict.fromkeys(name for line in lines for name in (line["arm_a"], line["arm_b"]))
            used = [arms[name] for name in names]
            rests_on = f"{provenance_line(sum(used, []))}; profile {profile}"
            outcome = replace(together([_direction(line) for line in lines]), rests_on=rests_on)
            gains = " and ".join(_gain(line, len(lines) > 1) for line in lines)
            summary = f"{conditions.name(min(used, key=len), profile, backbone=len(lines) == 1)}: {gains}"
            measured.append(Measured(outcome, summary, conditions.nearness(used[0]), conditions.obstacle(*used)))
    return decided(measured, "no condition has all of these models")


def _direction(line) -> Outcome:
    verdict, note = NOT_TESTABLE, f"{arm_label(line['arm_a'])} against {arm_label(line['arm_b'])}"
    if directions.shown(line):
        verdict = REPRODUCED if line["difference"] > 0 else NOT_REPRODUCED
    elif directions.below_printed(line):
        verdict, note = NOT_REPRODUCED, f"not as large as printed; {note}"
    else:
        note = f"neither shown nor excluded; {note}"
    return Outcome(verdict, *(line[name] for name in directions.DIFFERENCE), line["p_holm"], note)


def _gain(line, over: bool) -> str:
    value, low, high = (line[name] for name in directions.DIFFERENCE)
    rival = f"over {arm_label(line['arm_b'])} " if over else ""
    return f"{rival}{value:+.1f} [{low:+.1f}, {high:+.1f}], p = {line['p_holm']:.3f}"


# --- levels of the proposed model ----------------------------------------------------------------------------


def _proposed(judge: Callable[[list[Run]], Outcome], unit: str, reading: str) -> Callable[[object], Outcome]:
    """A level of the proposed model: ``judge`` measures, and only the paper's own conditions decide."""

    def evaluate(evidence):
        measured = []
        for profile, runs in _proposed_runs(evidence, reading):
            outcome, short = judge(runs), sorted({text for run in runs for text in conditions.departures(run)})
            obstacle = conditions.data_obstacle(runs)
            if obstacle is None and short:
                obstacle = f"not the paper's conditions ({', '.join(short)})"
            note = outcome.note
            if outcome.verdict == NOT_TESTABLE:
                note = "; ".join(filter(None, ["too few images to decide: an interval holds both answers", note]))
            summary = f"{conditions.name(runs, profile)}: {_value(outcome, unit)}"
            outcome = replace(outcome, note=note, rests_on=f"{provenance_line(runs)}; profile {profile}")
            measured.append(Measured(outcome, summary, conditions.nearness(runs), obstacle))
        return decided(measured, "no condition has the proposed model in this reading")

    return evaluate


def _proposed_runs(evidence, reading: str) -> Iterator[tuple[str, list[Run]]]:
    """Profile and runs of the proposed model in this reading, as the profile trains it, in every condition."""
    for profile, all_runs in conditions.at_hand(evidence).items():
        for name, runs in by_arm(all_runs).items():
            arm = parse_arm(name)
            if (arm.modules, arm.reading, arm.learning_rate) == ("wagf", reading, None) and not arm.variants:
                yield profile, runs


def _value(outcome, unit):
    if np.isnan(outcome.our_value):
        return outcome.note
    form = "{:+.1f} [{:+.1f}, {:+.1f}]" if unit == "points" else "{:.1f}% [{:.1f}, {:.1f}]"
    text = form.format(outcome.our_value, outcome.ci_low, outcome.ci_high)
    return text + (f" ({outcome.note})" if outcome.note else "")


def reaches(printed: str, metric: str, reading: str) -> Test:
    """Is a printed level (percent) reached, as far as the sampling of test images allows to say?"""
    proposed = published.row("(iii)")
    paper = getattr(proposed, printed)

    def judge(runs):
        values = [100 * v for v in bootstrap.interval(runs, metric)]
        below = paired.verdict(paper, published.N_TEST, *values) == "ours is lower"
        return Outcome(NOT_REPRODUCED if below else REPRODUCED, *values)

    interval = proportions.wilson_percent(paper, published.N_TEST)
    return Test((paper, *interval), _proposed(judge, "%", reading))


def beats_others(reading: str) -> Test:
    """Are accuracy and weighted F1 above the best values that Table 2 prints for other methods?"""
    proposed, metrics = published.TABLE2[-1], {"accuracy": "accuracy", "f1": "f1_weighted"}
    best = {
        name: max((r for r in published.TABLE2[:-1] if getattr(r, name) is not None), key=lambda r: getattr(r, name))
        for name in metrics
    }

    def judge(runs):
        outcomes = []
        for name, ours in metrics.items():
            lead = [100 * v - getattr(best[name], name) for v in bootstrap.interval(runs, ours)]
            note = f"{'F1' if name == 'f1' else name} over {best[name].row}"
            outcomes.append(Outcome(level(*lead[1:], 0), *lead, note=note))
        return together(outcomes)

    lead = min(getattr(proposed, name) - getattr(best[name], name) for name in metrics)
    return Test((lead, np.nan, np.nan), _proposed(judge, "points", reading))


def every_class(reading: str) -> Test:
    """Is recall above ``LEAST_RECALL`` in each of the seven classes?"""

    def judge(runs):
        recalls = {c: [100 * v for v in bootstrap.interval(runs, f"recall_{c}")] for c in CLASSES}
        if np.isnan([recall[0] for recall in recalls.values()]).any():
            return Outcome(NOT_TESTABLE, note="not every class has test images")
        outcomes = [Outcome(level(*r[1:], LEAST_RECALL), *r, note=c) for c, r in recalls.items()]
        weakest = min(outcomes, key=lambda o: o.our_value)
        return replace(weakest, verdict=together(outcomes).verdict, note=f"lowest recall: {weakest.note}")

    return Test(NO_NUMBER, _proposed(judge, "%", reading))


# --- maps ----------------------------------------------------------------------------------------------------


def heatmaps(reading: str) -> Test:
    """Does the SaFA map lie on the lesion, in every class, more than a blob in the middle of the image does?

    Reads attention_maps.csv, the proposed model's lines: per class, the share of the map inside the lesion's mask minus
    the mask's share of the image's area (``diff_area``) and minus the share of a centred Gaussian (``diff_gauss``),
    each with a paired interval: map and control are measured on the same lesions, so that how lesions differ in size
    does not widen it. Lesions are photographed in the middle, so only what goes beyond the Gaussian says anything about
    the map.
    """

    def evaluate(evidence):
        table, measured = evidence.table("attention_maps"), []
        if table is None or table.empty:
            return Outcome(NOT_TESTABLE, note="no attention maps with lesion masks: run the heatmaps chapter")
        table = table[(table["map"] == "safa") & table["class"].isin(CLASSES)]
        for profile, runs in _proposed_runs(evidence, reading):
            lines = table[(table["profile"] == profile) & (table["arm"] == runs[0].arm)]
            if lines.empty:
                continue
            outcome = replace(_leads(lines), rests_on=f"{lines['provenance'].iloc[0]}; profile {profile}")
            summary = f"{conditions.name(runs, profile)}: {_value(outcome, 'points')}"
            measured.append(Measured(outcome, summary, conditions.nearness(runs), conditions.obstacle(runs)))
        return decided(measured, "no maps of the proposed model in this reading")

    return Test(NO_NUMBER, evaluate)


def _leads(lines) -> Outcome:
    leads = [
        Outcome(level(low, high, 0), value, low, high, note=f"smallest lead: {line['class']}, over {control}")
        for _, line in lines.iterrows()
        for name, control in (("area", "the lesion's area"), ("gauss", "a centred Gaussian"))
        for value, low, high in [[100 * line[f"diff_{name}{end}"] for end in ("", "_low", "_high")]]
    ]
    if set(lines["class"]) != set(CLASSES) or np.isnan([lead.our_value for lead in leads]).any():
        return Outcome(NOT_TESTABLE, note="not every class has maps and masks")
    return together(leads)


# --- by construction -----------------------------------------------------------------------------------------


def equation1_weights() -> Test:
    """Do the weights of Eq. 1 adapt? Iterated from several starts: they only swap, whatever the data."""

    def evaluate(evidence):
        starts, steps = (0.05, 0.3, 0.5, 0.8), 8
        orbits = np.array([equation1.equation1_orbit(start, steps, seed) for seed, start in enumerate(starts)])
        period = np.abs(orbits[:, 2:] - orbits[:, :-2]).max()
        swap = np.abs(orbits[:, 1:] + orbits[:, :-1] - 1).max()
        means = orbits[:, :steps].mean(axis=1)  # over whole periods
        worst = means[np.abs(means - 0.5).argmax()]
        if max(period, swap, abs(worst - 0.5)) >= ORBIT_TOLERANCE:
            note = f"the weights do not only swap; w(t+2) differs from w(t) by up to {period:.2g}"
            return Outcome(NOT_TESTABLE, worst, note=note, rests_on=MATHEMATICS)
        note = (
            "with gradients normalised to sum one, our reading, the two weights swap at every step, whatever the "
            f"features; {len(starts)} starts, {steps} steps each on new random maps; time average {worst:.6f}"
        )
        # Rounding differs between machines; the ledger does not.
        return Outcome(CONTRADICTED, round(worst, 6), note=note, rests_on=MATHEMATICS)

    return Test(NO_NUMBER, evaluate)


def wavelet() -> Test:
    """Can the wavelet branch compute anything that a strided convolution of the same features cannot?"""

    def evaluate(evidence):
        sizes = [(8, 8, 16, 8), (5, 5, 16, 8), (3, 4, 6, 12)]
        worst = max(equation1.haar_as_convolution(*size) for size in sizes)
        if worst >= CONVOLUTION_TOLERANCE:
            note = f"differs from a 2 x 2 convolution of stride 2 by {worst:.2g}"
            return Outcome(NOT_TESTABLE, worst, note=note, rests_on=MATHEMATICS)
        note = (
            "with a linear mixing of the bands, as in the code, it adds nothing that a 2 x 2 strided convolution of "
            f"the same features cannot; weights converted either way, {len(sizes)} map sizes; "
            "what remains is another start for training (see the conv and pool arms)"
        )
        return Outcome(CONTRADICTED, 0.0, note=note, rests_on=MATHEMATICS)

    return Test(NO_NUMBER, evaluate)


# --- counts --------------------------------------------------------------------------------------------------


def count(id: str, paper: float, within: float) -> Test:
    """A number that the metadata decides; in protocol_counts.csv it is the ``total`` of the id unless said here."""

    def evaluate(evidence):
        table = evidence.table("protocol_counts")
        if table is None:
            return Outcome(NOT_TESTABLE, note="not counted yet: needs the metadata")
        counts = table.pivot(index="quantity", columns="class", values="count")
        total = counts["total"]
        special = {
            "classes": (counts.loc["images", list(CLASSES)] > 0).sum(),
            "test-supports": sum(counts.loc["test images", c] == n for c, n in published.TEST_SUPPORTS.items()),
            "augmented": total["augmented files"],
            "train-share": 100 * total["training files"] / total["augmented files"],
        }
        ours = float(special[id] if id in special else total[id.replace("-", " ")])
        source = str(table["provenance"].iloc[0])
        name = source.partition(":")[0]
        if name.startswith("SYNTHETIC"):
            verdict, note = NOT_TESTABLE, "synthetic images say nothing about HAM10000"
        elif evidence.settings.max_images_per_class is not None:
            verdict, note = NOT_TESTABLE, "a rehearsal on a handful of photographs"
        elif name != "HAM10000":
            verdict, note = NOT_TESTABLE, f"not HAM10000's metadata: {name}"
        else:
            verdict, note = AGREES if abs(ours - paper) <= within else DIFFERS, ""
        return Outcome(verdict, ours, note=note, rests_on=f"{source}; no training, any hardware")

    return Test((paper, np.nan, np.nan), evaluate)


TESTS: dict[str, Callable[..., Test]] = {
    "step": step,
    "backbone": backbone,
    "reaches": reaches,
    "beats_others": beats_others,
    "every_class": every_class,
    "heatmaps": heatmaps,
    "equation1": equation1_weights,
    "wavelet": wavelet,
}

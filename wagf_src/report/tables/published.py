"""Audits of the printed numbers: no image and no run is read, so they are the same in every profile."""

import numpy as np
import pandas as pd

from wagf_src.paper import audit_table, audits, published, stored_notebooks
from wagf_src.report.evidence import Evidence
from wagf_src.stats.paired import POWER

ERRORS = {"unpaired": None, "independent errors": 0.0, "errors correlated, φ = 0.5": audits.ASSUMED_CORRELATION}
STEP = ("(ii)", "(iii)")  # the last of the ladder, whose power is drawn
VERDICTS = ("reachable", "reachable only if truncated", "not reachable")
SIZES = np.unique(np.geomspace(200, published.N_IMAGES, 40).astype(int))  # test images
GAINS = np.arange(0.01, 0.41, 0.01)  # in melanoma recall, from the lowest that the released notebooks store
# Errors cannot correlate so much when recalls are further apart.
LARGEST_GAIN = {name: 0.3 if correlation else GAINS[-1] for name, correlation in ERRORS.items()}


def lowest_melanoma_recall() -> float:
    """Of the models of Table 1 in the released notebooks, 0 to 1."""
    return min(stored.melanoma_recall for stored in published.RELEASED if stored.table1)


def _stamped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(provenance=published.PROVENANCE)


def grim(evidence: Evidence) -> pd.DataFrame:
    """Is there a number of images that gives each printed accuracy? (``audits.grim_table``)"""
    return _stamped(audits.grim_table())


def f1_bound(evidence: Evidence) -> pd.DataFrame:
    """Each printed F1 beside the largest that its precision and recall allow (``audits.f1_bound_table``)."""
    return _stamped(audits.f1_bound_table())


def intervals(evidence: Evidence) -> pd.DataFrame:
    """What a printed accuracy says of the model, from its test images alone (``audits.interval_table``)."""
    return _stamped(audits.interval_table())


def power(evidence: Evidence) -> pd.DataFrame:
    """Could these images have told two rows apart? (``audits.power_table``)"""
    return _stamped(audits.power_table())


# Tables of other papers, their numbers only, in ``paper/facts``: file, and test images of rows that name none.
ELSEWHERE = {
    "Datta et al., 2021": ("audited_datta2021", None),
    "Lan et al., 2022": ("audited_lan2022", 828),
    "Manzari et al., 2025, DermaMNIST": ("audited_manzari2025", 2005),
}


def audited_elsewhere(evidence: Evidence) -> pd.DataFrame:
    """The same audits of three other papers' tables (``audit_table.audit``), one line a table.

    Columns: paper, n, accuracies, reachable, truncated (reachable only so), not_reachable, luck (share of percentages
    so printed that are reachable), f1, f1_violated; pairs, and how many of them apart (on other images), apart_paired
    (only on the same, at best), not_apart.
    """
    lines = []
    for paper, (name, n) in ELSEWHERE.items():
        rows = audit_table.read(stored_notebooks.FACTS / f"{name}.csv", n)
        audited, pairs = audit_table.audit(rows)
        verdicts, answers = audited["verdict"].value_counts(), pairs["told_apart"].value_counts()
        sizes = sorted({row.n_test for row in rows})
        line = {"paper": paper, "n": ", ".join(f"{size:,}" for size in sizes), "accuracies": int(verdicts.sum())}
        line |= dict(zip(("reachable", "truncated", "not_reachable"), (verdicts.get(v, 0) for v in VERDICTS)))
        line["luck"] = np.mean([audits.share_reachable(row.n_test, row.decimals[0]) for row in rows])
        line |= {"f1": audited["f1"].notna().sum(), "f1_violated": audited["violated"].eq(True).sum()}
        apart = dict(zip(("apart", "apart_paired", "not_apart"), (answers.get(a, 0) for a in audits.APART)))
        lines.append(line | {"pairs": len(pairs)} | apart)
    return _stamped(pd.DataFrame(lines))


def ways_out(evidence: Evidence) -> pd.DataFrame:
    """Innocent ways to an unreachable accuracy: way, row of Table 1 (or ``all``), and the least that it takes.

    Ways: ``runs`` (so many averaged), ``images`` (another test set of so many), ``batches`` (grid of an average over
    batches, in points), and ``luck`` (the share of all two-decimal numbers that are reachable).
    """
    accuracies = {row.row: row.accuracy for row in published.TABLE1}
    together = list(accuracies.values())
    lines = [("runs", row, audits.runs_averaged([value], published.N_TEST)) for row, value in accuracies.items()]
    lines += [
        ("runs", "all", audits.runs_averaged(together, published.N_TEST)),
        ("images", "all", audits.other_size(together)),
        ("batches", "all", audits.batch_average_step()),
        ("luck", "all", audits.share_reachable(published.N_TEST)),
    ]
    return _stamped(pd.DataFrame(lines, columns=["way", "row", "value"]))


def power_curves(evidence: Evidence) -> pd.DataFrame:
    """Power (0 to 1) of a test at 5%: of the step (ii) to (iii) over ``images``, of a ``gain`` in melanoma recall.

    Columns: panel; errors, as in ``ERRORS``; x, test images or points; power.
    """
    lower, higher = (published.row(name).accuracy / 100 for name in STEP)
    recall, melanomas = lowest_melanoma_recall(), published.TEST_SUPPORTS["mel"]
    lines = []
    for errors in ERRORS:
        lines += [("images", errors, n, _power(errors, higher, lower, n)) for n in SIZES]
        gains = GAINS[GAINS <= LARGEST_GAIN[errors] + 1e-9]
        lines += [("gain", errors, 100 * gain, _power(errors, recall + gain, recall, melanomas)) for gain in gains]
    return _stamped(pd.DataFrame(lines, columns=["panel", "errors", "x", "power"]))


def power_needed(evidence: Evidence) -> pd.DataFrame:
    """The least ``images`` (in hundreds) and the least ``gain`` (points) of ``power_curves`` with 80% power."""
    lower, higher = (published.row(name).accuracy / 100 for name in STEP)
    gains = evidence.table("power_curves").query("panel == 'gain' and power >= @POWER").groupby("errors")["x"].min()
    lines = []
    for errors in list(ERRORS)[1:]:
        sizes = range(500, 40_000, 100)
        enough = next((n for n in sizes if _power(errors, higher, lower, n) >= POWER), np.nan)
        lines += [("images", errors, enough), ("gain", errors, gains.get(errors, np.nan))]
    return _stamped(pd.DataFrame(lines, columns=["panel", "errors", "needed"]))


def _power(errors, p, q, n):
    if errors == "unpaired":
        return audits.unpaired_power(p, q, n)
    return audits.mcnemar_power(p, q, n, ERRORS[errors])

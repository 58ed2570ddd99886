"""Which classes are taken for which, and how far apart they lie in the pooled features (the paper's Figure 4)."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.paper import comparisons, conditions
from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, by_arm, of_arm, provenance_line, tested, truth_and_probabilities
from wagf_src.stats import projections
from wagf_src.stats.separability import neighbours_lead, separability


def nearest_arm(runs: list[Run]) -> str:
    """The proposed model (iii) or what comes nearest."""
    rows = [(row, arm) for row, arm, _ in comparisons.table1_rows(list(by_arm(runs))) if arm]
    return min(rows, key=lambda r: (not r[0].startswith("(iii)"), not r[0].startswith("(")))[1]


def kept(runs: list[Run], conditions: dict[str, list[Run]]) -> list[Run]:
    """The runs that kept their features: of a profile's own, else of the first condition that has some.

    Published runs keep them in one profile only, so that a book of another one's committed runs shows those.
    """
    for at_hand in (runs, *conditions.values()):
        if with_features := [run for run in at_hand if (run.path / "features.npz").is_file()]:
            return with_features
    return []


def shown_run(runs: list[Run], conditions: dict[str, list[Run]]) -> Run:
    """The first run of ``nearest_arm`` among those that kept their features.

    Raises:
        UserError: none did.
    """
    if with_features := kept(runs, conditions):
        return of_arm(with_features, nearest_arm(with_features))[0]
    raise UserError("no run at hand kept its features (features.npz); make the runs yourself")


def features_and_truth(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features (n, d), float64, and true classes (n,) of the test images."""
    return run.features()["features"].astype(float), truth_and_probabilities(run)[0]


def confusion(evidence: Evidence) -> pd.DataFrame | None:
    """Test images by true and predicted class, means over seeds: of ``nearest_arm`` in every condition at hand."""
    frames = []
    for profile, condition in conditions.at_hand(evidence).items():
        runs = of_arm(condition, nearest_arm(condition))
        seeds = [7 * y + p.argmax(axis=1) for y, p in tested(runs)]
        cases = pd.MultiIndex.from_product([CLASSES, CLASSES], names=["true", "predicted"]).to_frame(index=False)
        about = {"profile": profile, "condition": conditions.title(runs), "arm": runs[0].arm}
        images = np.bincount(np.concatenate(seeds), minlength=49) / len(seeds)
        cases = cases.assign(**about, images=images, provenance=provenance_line(runs))
        frames.append(cases[[*about, "true", "predicted", "images", "provenance"]])
    return pd.concat(frames, ignore_index=True) if frames else None


def separability_of_arms(evidence: Evidence) -> pd.DataFrame:
    """Silhouettes and neighbours' accuracies of the first seed of every arm that kept its features, with intervals."""
    rows, runs = [], kept(evidence.runs, evidence.conditions)
    for arm, (run, *_) in by_arm(runs).items():
        rows += [(arm, measure, *value, 1) for measure, value in separability(*features_and_truth(run)).items()]
    columns = ["arm", "measure", "value", "ci_low", "ci_high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns).assign(provenance=_of_profile(evidence, runs))


def features_lead(evidence: Evidence) -> pd.DataFrame:
    """Neighbours' balanced accuracy in the features of the shown run minus that of its plain backbone, image by image.

    Columns: arm_a, arm_b, difference, ci_low, ci_high (fractions), p. No row where one of the two kept no features.
    """
    lines, runs = [], kept(evidence.runs, evidence.conditions)
    for a in [shown_run(runs, {})] if runs else []:
        plain = f"{parse_arm(a.arm).backbone}-base"
        for b in [run for run in runs if (run.arm, run.seed, run.fold) == (plain, a.seed, a.fold) and plain != a.arm]:
            (first, y), (second, _) = map(features_and_truth, (a, b))
            lines.append((a.arm, b.arm, *neighbours_lead(first, second, y)))
    columns = ["arm_a", "arm_b", "difference", "ci_low", "ci_high", "p"]
    return pd.DataFrame(lines, columns=columns).assign(provenance=_of_profile(evidence, runs))


def components(evidence: Evidence) -> pd.DataFrame | None:
    """Share of the variance of the shown run's features that each of the first three principal components holds."""

    def rows(features, y):
        for k, share in enumerate(projections.principal(features)[1], 1):
            yield {"component": k, "variance_share": share}

    return _of_shown_run(evidence, rows)


def pca_per_batch(evidence: Evidence) -> pd.DataFrame | None:
    """Balanced accuracy of five neighbours, and silhouette, in the three-dimensional plot fitted once and per batch."""

    def rows(features, y):
        for way, points in projections.ways(features, y).items():
            measured = separability(points, y)
            interval = dict(zip(("value", "ci_low", "ci_high"), measured["knn_balanced_accuracy"]))
            yield {"plot": way} | interval | {"silhouette": measured["silhouette_balanced"][0]}

    return _of_shown_run(evidence, rows)


def _of_profile(evidence, runs):
    """The provenance of all runs of the profile that runs with features are of."""
    own = {run.path for run in runs} <= {run.path for run in evidence.runs}
    return evidence.provenance if own else provenance_line(runs)


def _of_shown_run(evidence, rows):
    try:
        run = shown_run(evidence.runs, evidence.conditions)
    except UserError:
        return None
    return pd.DataFrame(rows(*features_and_truth(run))).assign(provenance=provenance_line([run]))

"""Grad-CAM of plain and full models against the lesions, measured as the attention maps are (figure 3)."""

from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic, paths
from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables.attention import shares, summaries
from wagf_src.report.tables.cells import cells
from wagf_src.runs import PROBABILITY_COLUMNS, Run, are_committed, by_arm, by_seed, provenance_line
from wagf_src.stats import attention

COLUMNS = ["profile", "arm", "map", "class", "n", "n_seeds", "share_inside", "ci_low", "ci_high", "provenance"]


def _file(run: Run) -> Path:
    return run.path.parent.parent / "gradcam" / f"{run.path.name}.npz"


def _array(run: Run, name: str) -> np.ndarray:
    try:
        with np.load(_file(run), allow_pickle=False) as arrays:
            return arrays[name]
    except atomic.DAMAGED:
        again = f"`python -m wagf_src gradcam {run.info['profile']}` makes it again"
        raise UserError(f"{_file(run)}: is damaged; {again}") from None


def maps_of(run: Run) -> dict[str, np.ndarray]:
    """``grad_cam``, and ``safa`` where the arm has it, (n_test, h, w), in the row order of the predictions.

    Raises:
        UserError: the file of maps is damaged.
    """
    maps = {"grad_cam": _array(run, "grad_cam")}
    return maps | {name: values for name, values in run.attention().items() if name == "safa"}


def _is_explained(run: Run) -> bool:
    """Whether there are maps of the weights that made the predictions: a run trained again has others."""
    return _file(run).is_file() and str(_array(run, "weights")) == run.weights_digest


def explained(evidence: Evidence) -> dict[str, dict[str, list[Run]]]:
    """Profile to arm to runs whose Grad-CAM was computed, of the weights they have now, for all folds and seeds.

    Raises:
        UserError: a file of maps is damaged.
    """
    by_profile = {}
    for profile, runs in (evidence.conditions | {evidence.profile: evidence.runs}).items():
        arms = {arm: arm_runs for arm, arm_runs in by_arm(runs).items() if all(map(_is_explained, arm_runs))}
        by_profile |= {profile: arms} if arms else {}
    return by_profile


def grad_cam(evidence: Evidence) -> pd.DataFrame:
    """Every Grad-CAM, and SaFA's map of the same runs beside it: profile, arm, map and ``attention.summary``.

    Folds are joined, seed by seed. Where the masks are not at hand, the committed lines stand in for committed runs.
    """
    file = paths.REFERENCE_DIR / evidence.profile / "tables" / "grad_cam.csv"
    committed = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=COLUMNS)
    parts = []
    for profile, arms in evidence.once(explained).items():
        own = []
        for arm, runs in arms.items():
            seeds = [[shares(evidence, profile, run, maps_of(run)) for run in folds] for folds in by_seed(runs)]
            own += summaries(seeds, {"profile": profile, "arm": arm}, runs)
        kept = [arm for arm, runs in arms.items() if are_committed(runs)]
        parts += own or [committed[(committed["profile"] == profile) & committed["arm"].isin(kept)]]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def examples(evidence: Evidence) -> pd.DataFrame:
    """One image of each class with the Grad-CAM of the plain and of the full model and SaFA's map, cell by cell.

    Of the first profile that has both, its first seed and fold; the images are those that the plain model is surest of
    (``attention.examples``). Columns: profile, map, class, image_id, predicted, row, column, value.
    """
    for profile, arms in evidence.once(explained).items():
        first = {arm: sorted(runs, key=lambda run: (run.seed, run.fold or 0))[0] for arm, runs in arms.items()}
        plain = next((run for arm, run in first.items() if arm.endswith("-base")), None)
        full = next((run for run in first.values() if run.attention().get("safa") is not None), None)
        if plain is None or full is None or plain.info["data"]["test_id_digest"] != full.info["data"]["test_id_digest"]:
            continue
        frame, grids = plain.predictions(), {}
        chosen = attention.examples(frame["dx"].to_numpy(), frame[PROBABILITY_COLUMNS].to_numpy())
        of_full = maps_of(full)
        shown = {
            "Grad-CAM, plain backbone": (plain, maps_of(plain)["grad_cam"]),
            "Grad-CAM, full model": (full, of_full["grad_cam"]),
            "SaFA, full model": (full, of_full["safa"]),
        }
        for name, (run, maps) in shown.items():
            p = run.predictions()[PROBABILITY_COLUMNS].to_numpy()
            for dx, image in zip(CLASSES, chosen):
                if image is not None:
                    grids[profile, name, dx, frame["image_id"][image], CLASSES[p[image].argmax()]] = maps[image]
        rests = provenance_line([plain, full])
        return cells(grids, "profile", "map", "class", "image_id", "predicted").assign(provenance=rests)
    return pd.DataFrame(
        columns=["profile", "map", "class", "image_id", "predicted", "row", "column", "value", "provenance"]
    )

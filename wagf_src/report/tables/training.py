"""The choice of the epoch."""

import numpy as np
import pandas as pd

from wagf_src.arms import parse_arm
from wagf_src.report.evidence import Evidence
from wagf_src.runs import Run, by_arm


def trained(runs: list[Run]) -> list[Run]:
    """Runs in the order of Table 1, without probes, which have no epochs (unless there is nothing else)."""
    ordered = [run for arm_runs in by_arm(runs).values() for run in arm_runs]
    return [run for run in ordered if parse_arm(run.arm).modules != "probe"] or ordered


def checkpoints(evidence: Evidence) -> pd.DataFrame | None:
    """One row a run, accuracies in percent.

    Test accuracy at the epoch kept, at the last and at the best on test; range and SD over the later half of epochs;
    sampling error of the test set; Spearman's correlation of validation and test accuracy over epochs; and by how much
    validation exceeds test at the epoch kept. NaN where there are too few epochs, or no validation.
    """
    lines = []
    for run in trained(evidence.runs):
        history, best = run.history().set_index("epoch"), run.info["best_epoch"]
        test, late = 100 * history["test_accuracy"], history.index > history.index.max() / 2
        kept, later = test[best], test[late]
        validation = 100 * history.get("val_accuracy", pd.Series(np.nan, history.index))
        usable = len(history) > 2 and validation.std() > 0 and test.std() > 0
        line = {"arm": run.arm, "seed": run.seed, "epochs": len(history), "best_epoch": best, "kept": kept}
        line |= {"last": test.iloc[-1], "best": test.max(), "low": later.min(), "high": later.max()}
        line["late_sd"] = later.std() if len(later) > 1 else np.nan
        line["sampling_se"] = np.sqrt(kept * (100 - kept) / run.info["data"]["n_test"])
        line["rank_correlation"] = validation.corr(test, method="spearman") if usable else np.nan
        lines.append(line | {"optimism": validation[best] - kept})
    return pd.DataFrame(lines).assign(provenance=evidence.provenance) if lines else None

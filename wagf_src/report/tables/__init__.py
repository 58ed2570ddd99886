"""Every number of the book: one function a table, computed before any chapter is rendered.

A maker takes the :class:`~wagf_src.report.evidence.Evidence` and returns a DataFrame whose last column, ``provenance``,
says what the row rests on; or None where the data that it needs are not at hand.
"""

import functools
from collections.abc import Callable

import pandas as pd
from threadpoolctl import threadpool_limits

from wagf_src import atomic, paths
from wagf_src.errors import UserError
from wagf_src.report import evidence, workers
from wagf_src.report.evidence import Evidence
from wagf_src.report.tables import (
    ablation,
    accuracy,
    attention,
    calibration,
    cards,
    conditions,
    equation1,
    external,
    features,
    grad_cam,
    leakage_experiment,
    own_model,
    predicted,
    protocol,
    published,
    released,
    scorecard,
    speed,
    stored_notebooks,
    table2,
    table2_measured,
    testing,
    training,
    two_readings,
)
from wagf_src.runs import shown_runs

TABLES: dict[str, Callable[[Evidence], pd.DataFrame | None]] = {
    "table1": conditions.table1,
    "arms": accuracy.arms,
    "per_class": accuracy.per_class,
    "averages": accuracy.averages,
    "possible_averages": accuracy.possible_averages,
    "ablation": ablation.ablation,
    "ablation_balanced": ablation.ablation_balanced,
    "all_results": conditions.all_results,
    "all_steps": conditions.all_steps,
    "expectations": conditions.expectations,
    "own_model": own_model.own_model,
    "own_model_curve": own_model.own_model_curve,
    "own_model_rules": own_model.own_model_rules,
    "own_model_tried": own_model.own_model_tried,
    "checkpoints": training.checkpoints,
    "protocol_counts": protocol.protocol_counts,
    "generator": protocol.generator,
    "leakage": protocol.leakage,
    "siblings": protocol.siblings,
    "test_seeds": protocol.test_seeds,
    "near_duplicates": protocol.near_duplicates,
    "leakage_experiment": leakage_experiment.leakage_experiment,
    "split_sizes": leakage_experiment.split_sizes,
    "calibration": calibration.calibration,
    "confidence": calibration.confidence,
    "decisions": calibration.decisions,
    "coverage": calibration.coverage,
    "confusion": features.confusion,
    "separability": features.separability_of_arms,
    "features_lead": features.features_lead,
    "components": features.components,
    "pca_per_batch": features.pca_per_batch,
    # The printed numbers, and what becomes of the claims
    "grim": published.grim,
    "f1_bound": published.f1_bound,
    "published_intervals": published.intervals,
    "power": published.power,
    "power_curves": published.power_curves,
    "power_needed": published.power_needed,
    "ways_out": published.ways_out,
    "audited_elsewhere": published.audited_elsewhere,
    "table2": table2.table2,
    "table2_measured": table2_measured.measured,
    "table2_differences": table2_measured.measured_differences,
    "table2_yardsticks": table2_measured.measured_yardsticks,
    "claims": scorecard.claims,
    "conditions_at_hand": scorecard.conditions_at_hand,
    # What the authors' notebooks store
    "stored_results": stored_notebooks.stored_results,
    "stored_confusion": stored_notebooks.stored_confusion,
    "stored_recalls": stored_notebooks.stored_recalls,
    "stored_pairs": stored_notebooks.stored_pairs,
    "stored_logs": stored_notebooks.stored_logs,
    "stored_training": stored_notebooks.stored_training,
    "which30": stored_notebooks.which_30,
    # Figure 3, Equation 1 and the released code
    "attention": attention.main_map,
    "attention_examples": attention.examples,
    "attention_maps": attention.attention_maps,
    "attention_means": attention.means,
    "attention_widths": attention.widths,
    "attention_equivalents": attention.equivalents,
    "branches": ablation.branches,
    "control_branches": equation1.control_branches,
    "equation1_exchanges": equation1.exchanges,
    "equation1_orbits": equation1.orbits,
    "equation1_readings": equation1.readings,
    "fusion_weights": equation1.fusion_weights,
    "haar_conversions": equation1.conversions,
    "haar_kernel": equation1.haar_kernel,
    "batch_f1_orders": released.batch_f1_orders,
    "input_densities": released.input_densities,
    "input_scaling": released.input_scaling,
    "learning_rate": released.learning_rate,
    "pca_experiment": released.pca_experiment,
    "released_code": released.released_code,
    "released_facts": released.released_facts,
    "released_parameters": released.released_parameters,
    "safa_miniature": released.safa_miniature,
    "soft_attention_builds": released.soft_attention_builds,
    "soft_attention_channels": released.soft_attention_channels,
    "soft_attention_maps": released.soft_attention_maps,
    "soft_attention_sizes": released.soft_attention_sizes,
    "validation_choice": released.validation_choice,
    # What was trained, used
    "data_card": cards.data_card,
    "data_localisations": cards.data_localisations,
    "shipped_calibration": cards.shipped_calibration,
    "shipped_facts": cards.shipped_facts,
    "shipped_subgroups": cards.shipped_subgroups,
    "predicted_example": predicted.predicted_example,
    "external": external.external,
    "external_opened": external.external_opened,
    "external_problems": external.external_problems,
    "grad_cam": grad_cam.grad_cam,
    "grad_cam_examples": grad_cam.examples,
    "readings_boxes": two_readings.boxes,
    "readings_arrows": two_readings.arrows,
    "readings_parts": two_readings.parts,
    **speed.TABLES,
    **testing.TABLES,
}


# What they say of HAM10000 is alike in every profile; they are made where its metadata are at hand.
_OF_THE_DATA = ("data_card", "data_localisations")
# Their tables rest on others', so they come when those are made; and rooms that share what they rest on.
_LAST = (scorecard, table2)
_SHARED = dict.fromkeys((released.__name__, two_readings.__name__), equation1.__name__)
_SHARED[ablation.__name__] = conditions.__name__


# Folders may be called 007, and of hexadecimal digits some are numbers to pandas.
_TEXT = dict.fromkeys(("set", "labels_digest", "id_digest", "commit"), str)


def write(profile: str) -> None:
    """Compute every table of a profile, as many rooms at a time as cores: ``results/<profile>/tables/<name>.csv``."""
    gathered = evidence.collect(profile, TABLES)
    rooms: dict[str, list[str]] = {}
    for name, maker in TABLES.items():
        room = getattr(maker, "func", maker).__module__
        rooms.setdefault(_SHARED.get(room, room), []).append(name)
    last = [name for room in _LAST for name in rooms.pop(room.__name__, [])]
    with workers.pool(functools.partial(threadpool_limits, 1)) as pool:
        for frames in pool.map(_make, [profile] * len(rooms), rooms.values()):
            gathered.know({TABLES[name]: frame for name, frame in frames.items()})
    for name in [*(name for names in rooms.values() for name in names), *last]:
        frame = gathered.table(name)
        if frame is not None:
            atomic.write_csv(paths.RESULTS_DIR / profile / "tables" / f"{name}.csv", frame)


@functools.cache  # by process: rooms share the predictions that were read and the tables that they rest on
def _gathered(profile: str) -> Evidence:
    return evidence.collect(profile, TABLES)


def _make(profile: str, names: list[str]) -> dict[str, pd.DataFrame | None]:
    return {name: _gathered(profile).table(name) for name in names}


def read(profile: str, name: str) -> pd.DataFrame:
    """A table as written, the committed one where the profile has none of its own; of the data, that of any profile.

    Raises:
        UserError: there is none.
    """
    files = [root / profile / "tables" / f"{name}.csv" for root in (paths.RESULTS_DIR, paths.REFERENCE_DIR)]
    if name in _OF_THE_DATA:
        files += sorted(paths.REFERENCE_DIR.glob(f"*/tables/{name}.csv"))
    for file in files:
        if file.is_file():
            return pd.read_csv(file, dtype=_TEXT)
    shown_runs(profile, required=True)  # says so where there are none to make it from
    raise UserError(f"no table {name} of profile {profile}; make it with `make report PROFILE={profile}`")

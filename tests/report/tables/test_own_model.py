"""The light model's tables, against scikit-learn and corrections done by hand."""

import json

import numpy as np
import pytest
import sklearn.metrics as sk
from fabricate import fabricate

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.report import staleness, tables
from wagf_src.report.evidence import Evidence, collect
from wagf_src.report.tables import own_model
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.stats import decisions


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    runs = fabricate(tmp_path_factory.mktemp("runs"), ("mobilenetv2-base",), seeds=(0, 1), synthetic=False)
    for run in runs:
        info = json.loads((run.path / "run.json").read_text())
        info["settings"]["balance"] = 0.5
        (run.path / "run.json").write_text(json.dumps(info))
    return Evidence("demo", [], {"ours": [Run(run.path) for run in runs]}, tables.TABLES)


def test_shares_of_the_training_draws_by_hand(made_up, monkeypatch):
    run = made_up.conditions["ours"][0]
    y = np.repeat(np.arange(7), [4, 1, 0, 0, 9, 16, 1])
    monkeypatch.setattr(decisions, "validation_predictions", lambda run: (y, None))
    np.testing.assert_allclose(decisions.class_shares(run), np.array([2, 1, 0, 0, 3, 4, 1]) / 11)


def test_as_trained_against_the_aims(made_up):
    table = made_up.table("own_model").set_index("metric")
    runs = made_up.conditions["ours"]
    accuracy = np.mean([run.info["test_metrics"]["accuracy"] for run in runs])
    assert table.loc["accuracy", "value"] == pytest.approx(accuracy)
    assert table["aim"].dropna().to_dict() == {
        "accuracy": 0.92,
        "balanced accuracy": 0.75,
        "melanoma sensitivity": 0.60,
    }
    aimed = table.dropna(subset="aim")
    above, below = aimed["ci_low"] >= aimed["aim"], aimed["ci_high"] < aimed["aim"]
    expected = np.select([above, below], ["reached", "not reached"], "undecided: the interval holds the aim")
    assert aimed["outcome"].tolist() == expected.tolist() and table.loc["macro F1", "outcome"] == ""


def test_candidates_are_judged_on_validation_images(made_up, tmp_path):
    [run] = fabricate(tmp_path, ("mobilenetv2-base",), seeds=(3,), synthetic=False)
    evidence = Evidence("demo", [], made_up.conditions, tables.TABLES, {"longer": [run]})
    table = evidence.table("own_model_tried").set_index("profile")
    assert table.index[0] == "ours" and len(table) == 10 and table["accuracy"].notna().sum() == 2
    assert table.loc["longer", "n_seeds"] == 1 and "30 epochs" in table.loc["longer", "description"]

    def judged(run):
        frame = run.predictions("validation")
        answer = np.array(CLASSES)[frame[PROBABILITY_COLUMNS].to_numpy().argmax(axis=1)]
        accuracy = sk.accuracy_score(frame["dx"], answer)
        return (accuracy + sk.balanced_accuracy_score(frame["dx"], answer)) / 2

    ours = np.mean([judged(run) for run in made_up.conditions["ours"]])
    assert table.loc["ours", "score"] == pytest.approx(ours) and table.loc["ours", "lead"] == 0
    assert table.loc["longer", "lead"] == pytest.approx(judged(run) - ours)


def test_curve_moves_from_accuracy_to_balance(made_up):
    table = made_up.table("own_model_curve")
    assert len(table) == 2 * 26 and table["strength"].min() == -1 and table["strength"].max() == 1.5
    run = made_up.conditions["ours"][1]
    frame, validation = run.predictions(), Run(run.path)
    shares = decisions.class_shares(validation)
    weighted = frame[PROBABILITY_COLUMNS].to_numpy() / shares**0.5
    predicted = np.array(CLASSES)[weighted.argmax(axis=1)]
    line = table[(table["seed"] == 1) & np.isclose(table["strength"], 0.5)].iloc[0]
    assert line["accuracy"] == pytest.approx(sk.accuracy_score(frame["dx"], predicted))
    assert line["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(frame["dx"], predicted))
    assert line["melanoma_sensitivity"] == pytest.approx((predicted == "mel")[frame["dx"] == "mel"].mean())


def test_rules_start_with_the_model_as_trained(made_up):
    table = made_up.table("own_model_rules").set_index(["rule", "seed"])
    curve = made_up.table("own_model_curve").set_index(["seed", "strength"])
    for seed in (0, 1):
        for name in own_model.TRADED:
            assert table.loc[("as trained", seed), name] == curve.loc[(seed, 0.0), name]
        # Each is one of the curve's points; favouring melanoma never loses one.
        points = curve.loc[seed, own_model.TRADED].to_numpy()
        for rule in ("most often right", "fair to every class"):
            assert np.isclose(points, table.loc[(rule, seed), own_model.TRADED].to_numpy(float)).all(axis=1).any()
        sensitivity = table["melanoma_sensitivity"]
        assert sensitivity["60% of melanomas found", seed] >= sensitivity["as trained", seed]


def test_without_runs_nothing_is_judged():
    nothing = Evidence("demo", [], {}, tables.TABLES)
    plain = nothing.table("own_model")
    assert plain["value"].isna().all() and set(plain["outcome"]) == {""} and set(plain["provenance"]) == {"no runs"}
    assert len(nothing.table("own_model_curve")) == len(nothing.table("own_model_rules")) == 0


def test_a_candidate_is_no_condition_of_the_book(tmp_path, monkeypatch, made_up_runs):
    monkeypatch.setattr(paths, "RESULTS_DIR", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE_DIR", tmp_path / "reference")
    for profile in ("ours", "longer"):
        fabricate(tmp_path / profile / "runs", ("mobilenetv2-base",), synthetic=False)
    evidence = collect("ours", tables.TABLES)
    assert list(evidence.conditions) == ["ours"] and list(evidence.tried) == ["longer"]
    assert len(evidence.table("all_results")["profile"].unique()) == 1
    before = staleness.chapters_digest("ours")
    fabricate(tmp_path / "larger" / "runs", ("mobilenetv2-base",), synthetic=False)
    assert staleness.chapters_digest("ours") != before, "but the chapter on our own model shows it"

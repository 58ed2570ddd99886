"""Cards of model and data, and tables of other test sets: counts by pandas, intervals by statsmodels, empty forms."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.proportion import proportion_confint

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import use
from wagf_src.report.tables import cards
from wagf_src.runs import PROBABILITY_COLUMNS, Run
from wagf_src.stats import decisions, transfer
from wagf_src.stats.metrics import METRICS


@pytest.fixture
def run(results_dir, monkeypatch) -> Run:
    (run,) = fabricate(results_dir / "ours" / "runs", ("mobilenetv2-base",), synthetic=False)
    info = json.loads((run.path / "run.json").read_text())
    info["settings"] |= {"balance": 0.5, "test_views": 1}
    (run.path / "run.json").write_text(json.dumps(info))
    run = Run(run.path)
    card = {
        key: run.info[key]
        for key in ("run", "arm", "parameters", "environment", "git", "settings", "inputs_digest", "data")
    }
    chosen = dataclasses.asdict(decisions.choose(run))
    card |= {"profile": "ours", "decisions": chosen, "rests_on": "HAM10000", "licence": "no commercial use"}
    monkeypatch.setattr(paths, "SHIPPED", results_dir / "shipped")
    (results_dir / "shipped").mkdir()
    (results_dir / "shipped" / "model.json").write_text(json.dumps(card))
    return run


@pytest.fixture
def metadata(run, monkeypatch) -> pd.DataFrame:
    frame, rng = run.predictions()[["image_id", "lesion_id", "dx"]], np.random.default_rng(0)
    frame["sex"] = rng.choice(["female", "male", "unknown"], len(frame))
    frame["age"] = rng.choice([20.0, 45.0, 70.0, np.nan], len(frame))
    frame["localization"] = rng.choice(["back", "face", "ear"], len(frame), p=[0.6, 0.37, 0.03])
    frame["dx_type"] = rng.choice(["histo", "consensus"], len(frame))
    monkeypatch.setattr(cards, "_metadata", lambda run: frame.set_index("image_id"))
    return frame


def evidence() -> Evidence:
    return Evidence("demo", [], {}, tables.TABLES)


def test_subgroups(run, metadata):
    table = evidence().table("shipped_subgroups").set_index(["kind", "group"])
    frame = run.predictions()
    hit = frame[PROBABILITY_COLUMNS].idxmax(axis=1).str.removeprefix("p_") == frame["dx"]
    older, face = metadata["age"] == 70, metadata["localization"] == "face"
    for key, rows in {
        ("age", "60 and over"): older,
        ("localisation", "face"): face,
        ("all", "all images"): hit | ~hit,
    }.items():
        line = table.loc[key]
        low, high = proportion_confint(hit[rows].sum(), rows.sum(), method="wilson")
        assert (line["n"], line["accuracy"]) == (rows.sum(), pytest.approx(hit[rows].mean()))
        assert (line["accuracy_low"], line["accuracy_high"]) == (pytest.approx(low), pytest.approx(high))
        predicted = frame[PROBABILITY_COLUMNS].idxmax(axis=1).str.removeprefix("p_")
        assert line["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(frame["dx"][rows], predicted[rows]))
        # A class of fewer than five images would be taken for exactly known.
        known = frame["dx"][rows].value_counts().min() >= 5
        assert np.isfinite([line["balanced_accuracy_low"], line["balanced_accuracy_high"]]).tolist() == [known] * 2
        melanoma = rows & (frame["dx"] == "mel")
        low, high = proportion_confint(hit[melanoma].sum(), melanoma.sum(), method="wilson")
        assert (line["melanoma_sensitivity_low"], line["melanoma_sensitivity_high"]) == pytest.approx((low, high))
        assert line["n_melanoma"] == melanoma.sum() and line["melanoma_sensitivity"] == pytest.approx(
            hit[melanoma].mean()
        )
    assert (
        table.loc["sex"]["n"].sum() == table.loc["age"]["n"].sum() == table.loc["localisation"]["n"].sum() == len(frame)
    )
    assert ("localisation", "others") in table.index and ("localisation", "ear") not in table.index
    shown = use.subgroups(evidence().table("shipped_subgroups"))
    assert len(shown) == len(table) and shown["images"].iloc[0] == "200"
    assert "Below the accuracy of all images" in use.subgroup_note(table.reset_index())


def test_calibration_and_facts(run, metadata):
    table = evidence().table("shipped_calibration").set_index(["probabilities", "metric"])["value"]
    frame = run.predictions()
    p, y = frame[PROBABILITY_COLUMNS].to_numpy(), frame["dx"].map(sorted(set(frame["dx"])).index).to_numpy()
    logits = np.log(p) / decisions.choose(run).temperature
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for name, values in (("as they come", p), ("calibrated", q)):
        assert table[name, "log_loss"] == pytest.approx(-np.log(values[np.arange(len(y)), y]).mean())
        assert table[name, "ece"] == pytest.approx(METRICS["ece"].point(y, values))
        # Of a mean of one number an image the interval is that of stratified sampling.
        for metric, each in (
            ("log_loss", -np.log(values[np.arange(len(y)), y])),
            ("brier", ((values - np.eye(7)[y]) ** 2).sum(axis=1)),
        ):
            line = evidence().table("shipped_calibration").set_index(["probabilities", "metric"]).loc[(name, metric)]
            error = np.sqrt(sum(each[y == c].var() * (y == c).sum() for c in range(7))) / len(y)
            assert line["value"] == pytest.approx(each.mean())
            assert (line["ci_high"] - line["ci_low"]) / 2 == pytest.approx(1.96 * error, rel=0.04), (name, metric)
    assert len(use.calibration(evidence().table("shipped_calibration"))) == 2
    facts = evidence().table("shipped_facts")
    assert facts.set_index("fact")["value"]["run"] == "ours/mobilenetv2-base-seed0"
    assert "It must not be used to decide" in use.card_answer(facts, evidence().table("shipped_subgroups"))


def test_without_runs_the_committed_table_stands_in(run, metadata, results_dir, monkeypatch):
    made = evidence().table("shipped_subgroups")
    monkeypatch.setattr(cards, "_metadata", lambda run: None)
    assert evidence().table("shipped_subgroups").empty
    (results_dir / "reference" / "frozen" / "tables").mkdir(parents=True)
    made.to_csv(results_dir / "reference" / "frozen" / "tables" / "shipped_subgroups.csv", index=False)
    assert len(evidence().table("shipped_subgroups")) == len(made)


def test_nothing_shipped(results_dir, monkeypatch):
    monkeypatch.setattr(paths, "SHIPPED", results_dir / "shipped")
    have = evidence()
    frames = {
        n: have.table(n) for n in ("shipped_facts", "shipped_subgroups", "shipped_calibration", "predicted_example")
    }
    assert all(frame.empty for frame in frames.values())
    assert use.card_answer(frames["shipped_facts"], frames["shipped_subgroups"]) == use.NOTHING_SHIPPED
    assert use.predicted_answer(frames["predicted_example"]) == use.NOTHING_SHIPPED
    assert use.predicted_classes(frames["predicted_example"]).empty and use.subgroups(frames["shipped_subgroups"]).empty
    assert use.calibration(frames["shipped_calibration"]).empty


def test_data_card_by_pandas(metadata):
    have = evidence()
    have.__dict__["metadata"] = metadata
    have.__dict__["settings"] = type("Settings", (), {"synthetic": False})
    table = have.table("data_card").set_index("class")
    assert table.loc["all", "images"] == 200 and table.loc["mel", "images"] == (metadata["dx"] == "mel").sum()
    assert (
        table.drop(index="all")[["female", "male", "sex_unknown"]].sum()
        == table.loc["all", ["female", "male", "sex_unknown"]]
    ).all()
    assert table.loc["nv", "histology"] == ((metadata["dx"] == "nv") & (metadata["dx_type"] == "histo")).sum()
    places = have.table("data_localisations").set_index("localisation")
    assert places.loc["back", "mel"] == ((metadata["dx"] == "mel") & (metadata["localization"] == "back")).sum()
    assert (
        "200 dermoscopic photographs" in use.data_answer(table.reset_index())
        and len(use.data_classes(table.reset_index())) == 8
    )


@pytest.mark.parametrize("name, said", [("HAM10000", "HAM10000's metadata"), ("SYNTHETIC", "SYNTHETIC")])
def test_the_data_card_says_whose_metadata_these_are(metadata, name, said):
    have = evidence()
    vars(have).update(metadata=metadata, data_name=name)
    assert set(have.table("data_card")["provenance"]) == set(have.table("data_localisations")["provenance"]) == {said}


def test_metadata_of_other_images_give_no_subgroups(run, tmp_path, monkeypatch):
    """Even if they have the run's images by name."""
    frame = run.predictions()[["image_id", "lesion_id", "dx"]]
    frame = frame.assign(dx_type="histo", age=50, sex="male", localization="back")
    frame.to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    monkeypatch.setenv("HAM10000_DIR", str(tmp_path))
    assert evidence().table("shipped_subgroups").empty
    info = json.loads((run.path / "run.json").read_text())
    info["data"]["metadata_md5"] = hashlib.md5((tmp_path / "HAM10000_metadata.csv").read_bytes()).hexdigest()
    (run.path / "run.json").write_text(json.dumps(info))
    table = evidence().table("shipped_subgroups").set_index(["kind", "group"])
    assert table.loc[("sex", "male"), "n"] == len(frame)


def test_other_test_sets(results_dir):
    have = evidence()
    empty = have.table("external")
    assert empty.empty and "make external" in use.external_answer(empty, "demo") and use.external_scores(empty).empty
    place = results_dir / "demo" / "external"
    (place / "there").mkdir(parents=True)
    y, p = np.repeat(np.arange(7), 4), np.eye(7)[np.repeat(np.arange(7), 4)]
    scores = [transfer.scores(y, p, "all images"), transfer.scores(y, p, transfer.OWN), transfer.comparison(y, p, y, p)]
    frame = pd.concat(scores).assign(set="there", model="a run")
    frame.to_csv(place / "there" / "external.csv", index=False)
    table = evidence().table("external")
    said = use.external_answer(table, "demo")
    assert "on *there*, `a run (no longer here)` is right in 100.0 [87.9, 100.0]% of 28 images" in said
    (place / "there").rename(place / "NA")
    frame.assign(set="NA").to_csv(place / "NA" / "external.csv", index=False)
    (place / "007").mkdir()
    frame.assign(set="007", ci_low=np.nan).to_csv(place / "007" / "external.csv", index=False)
    odd = evidence().table("external")
    assert set(odd["set"]) == {"NA", "007"} and use.external_answer(odd, "demo").startswith("2 test sets were opened")
    assert odd["ci_low"].isna().equals(odd["set"] == "007")
    lines = "opened,set,layout,images,labels_digest,models,commit\nnow,NA,a,7,1234567890123e45,m,\n"
    (place / "opened.csv").write_text(lines)
    opened = evidence().table("external_opened").iloc[0]
    assert (opened["set"], opened["labels_digest"], opened["commit"]) == ("NA", "1234567890123e45", "")
    shown = use.external_scores(table)
    assert shown["images"].tolist() == ["all images", transfer.OWN, transfer.REWEIGHTED] and "accuracy" in shown
    assert len(use.external_classes(table)) == 2 and use.external_parts(table)["difference"][0] == "+0.0 [+0.0, +0.0]"


def test_a_prediction_read_from_its_file_is_said(tmp_path):
    line = {"image": "lesion.png"} | {f"{kind}_{c}": 0.05 for kind in ("p", "calibrated") for c in CLASSES}
    line |= {"p_mel": 0.7, "calibrated_mel": 0.6123, "as trained": "mel", "nearest": "ISIC_1 mel; ISIC_2 nv"}
    pd.DataFrame([line | {"distance": 0.3, "warning": "", "note": ""}]).to_csv(tmp_path / "row.csv", index=False)
    row = pd.read_csv(tmp_path / "row.csv")
    said = use.predicted_answer(row)
    assert (
        "*melanoma* with a calibrated probability of 61.2%. It raises no warning." in said and "not diagnosis" in said
    )
    assert use.predicted_classes(row)["class"][0] == "melanoma (mel)"
    assert "*as trained*: mel" in use.predicted_decisions(row) and "ISIC_2 nv" in use.predicted_decisions(row)


def test_ages_at_the_limits_belong_to_the_older_group():
    """HAM10000 rounds ages to five years, so many patients are exactly 40 or 60."""
    frame = pd.DataFrame({"age": [0.0, 35, 40, 55, 60, 85, np.nan], "sex": "female", "localization": "back"})
    ages = {name: frame["age"][rows].tolist() for (kind, name), rows in cards.groups(frame).items() if kind == "age"}
    assert ages.pop("not known") and ages == {"under 40": [0, 35], "40 to 59": [40, 55], "60 and over": [60, 85]}


def test_the_data_card_and_its_sentences_by_hand():
    rows = [
        ("L1", "mel", "female", 50.0, "histo"),
        ("L1", "mel", "female", 50.0, "histo"),
        ("L2", "mel", "male", 75.0, "consensus"),
        ("L3", "nv", "female", 20.0, "follow_up"),
        ("L4", "nv", "unknown", np.nan, "histo"),
        ("L5", "nv", "female", 40.0, "histo"),
    ]
    have = evidence()
    columns = ["lesion_id", "dx", "sex", "age", "dx_type"]
    have.__dict__["metadata"] = pd.DataFrame(rows, columns=columns).assign(image_id=list("abcdef"))
    have.__dict__["settings"] = type("Settings", (), {"synthetic": False})
    assert set(have.table("data_card")["provenance"]) == {"metadata of 6 images, 6 of them not HAM10000's"}
    table = have.table("data_card").set_index("class")
    columns = ["images", "lesions", "photographed_once", "female", "male", "sex_unknown", "age_median", "age_unknown"]
    assert table.loc["mel", [*columns, "histology"]].tolist() == [3, 2, 1, 2, 1, 0, 50, 0, 2]
    assert table.loc["all", [*columns, "histology"]].tolist() == [6, 5, 4, 4, 1, 1, 50, 1, 4]
    said = use.data_answer(table.reset_index())
    assert said.startswith(
        "6 dermoscopic photographs of 5 lesions, 4 of them photographed once; 4 of women, 1 of men, 1"
    )
    shown = use.data_classes(table[table["images"] > 0].reset_index()).set_index("class")
    assert shown.loc["mel", ["women / men / unknown", "confirmed by histology (%)"]].tolist() == ["2 / 1 / 0", "66.7"]


def test_subgroups_stand_out_by_their_whole_interval_only():
    columns = ["kind", "group", "n", "n_melanoma", "accuracy", "accuracy_low", "accuracy_high"]
    lines = [
        ("all", "all images", 1000, 100, 0.80, 0.77, 0.83),
        ("sex", "male", 500, 60, 0.75, 0.71, 0.79),
        ("sex", "female", 480, 40, 0.84, 0.81, 0.87),
        ("age", "under 40", 200, 9, 0.78, 0.72, 0.83),
        ("localisation", "back", 300, 30, 0.82, 0.78, 0.86),
        ("localisation", "others", 9, 1, 0.10, 0.00, 0.40),
    ]
    said = use.subgroup_note(pd.DataFrame(lines, columns=columns))
    assert "whole interval: sex male; above: sex female. That is a look at 4 groups" in said
    assert "In 1 of them there are fewer than ten melanomas" in said


def test_the_class_that_is_said_is_the_calibrated_ones():
    line = {f"{kind}_{c}": 0.02 for kind in ("p", "calibrated") for c in CLASSES}
    line |= {"p_nv": 0.8, "calibrated_bkl": 0.7, "warning": "odd"}
    said = use.predicted_answer(pd.DataFrame([line]))
    assert "says *benign keratosis-like lesion* with a calibrated probability of 70.0%. It warns: odd." in said


def test_both_probabilities_of_a_class_stand_in_their_own_columns():
    line = {f"{kind}_{c}": 0.02 for kind in ("p", "calibrated") for c in CLASSES}
    shown = use.predicted_classes(pd.DataFrame([line | {"p_nv": 0.8, "calibrated_nv": 0.614, "warning": ""}]))
    assert shown.iloc[0].tolist() == ["melanocytic nevus (nv)", "80.0", "61.4"]


GROUPS = [  # every number another one, so that none can stand for another
    ("all", "all images", 1234, 56, 0.81, 0.78, 0.83, 0.71, 0.65, 0.76, 0.52, 0.41, 0.63),
    ("sex", "male", 600, 30, 0.79, 0.75, 0.82, 0.69, 0.61, 0.75, 0.48, 0.33, 0.64),
]
METRIC_COLUMNS = [
    f"{m}{end}" for m in ("accuracy", "balanced_accuracy", "melanoma_sensitivity") for end in ("", "_low", "_high")
]
SUBGROUPS = pd.DataFrame(GROUPS, columns=["kind", "group", "n", "n_melanoma", *METRIC_COLUMNS])


def test_the_model_card_says_accuracy_and_the_melanomas_found():
    facts = {"run": "ours/a-seed0", "parameters": "2.3 million", "trained on": "HAM10000"}
    said = use.card_answer(pd.DataFrame(facts.items(), columns=["fact", "value"]), SUBGROUPS)
    assert said.endswith(
        "On its test set (n = 1,234) it is right in 81.0 [78.0, 83.0]% and finds 52.0 [41.0, 63.0]% of 56 melanomas."
    )


def test_subgroups_for_people_hold_each_metric_with_its_interval():
    shown = use.subgroups(SUBGROUPS)
    assert shown.iloc[1].tolist() == [
        *("sex", "male", "600", "30"),
        *("79.0 [75.0, 82.0]", "69.0 [61.0, 75.0]", "48.0 [33.0, 64.0]"),
    ]
    assert list(shown)[4:] == [f"{METRICS[m].title} (%)" for m in METRIC_COLUMNS[::3]]


def test_of_the_measures_of_calibration_the_error_alone_is_percent():
    lines = [
        ("as they come", "ece", 0.061, 0.052, 0.07),
        ("as they come", "brier", 0.25, 0.22, 0.28),
        ("as they come", "log_loss", 0.5, 0.44, 0.57),
    ]
    frame = pd.DataFrame(lines, columns=["probabilities", "metric", "value", "ci_low", "ci_high"])
    line = use.calibration(frame).iloc[0]
    assert line["calibration error (points)"] == "6.1 [5.2, 7.0]"
    assert line["Brier score"] == "0.250 [0.220, 0.280]" and line["log loss (nats)"] == "0.500 [0.440, 0.570]"


SCORED = pd.DataFrame(
    [
        ("there", "a", "all images", "accuracy", 0.62, 0.58, 0.66, 500),
        ("there", "a", "all images", "balanced_accuracy", 0.44, 0.41, 0.47, 500),
        ("there", "a", "without copies", "accuracy", 0.61, 0.57, 0.65, 490),
        ("there", "a", transfer.OWN, "accuracy", 0.86, 0.84, 0.88, 1103),
        ("there", "b", "all images", "accuracy", 0.7, 0.66, 0.74, 500),
        ("there", "a", "difference", "accuracy", -0.24, -0.29, -0.19, 500),
        ("there", "a", "class mix", "accuracy", -0.0004, -0.02, 0.02, 500),
    ],
    columns=["set", "model", "subset", "metric", "value", "ci_low", "ci_high", "n"],
)


def test_the_accuracy_on_all_images_of_other_sets_is_said():
    one = use.external_answer(SCORED, "demo")
    assert one == (
        "1 test set was opened; on *there*, `a` is right in 62.0 [58.0, 66.0]% of 500 images; "
        "on *there*, `b` is right in 70.0 [66.0, 74.0]% of 500 images."
    )
    two = pd.concat([SCORED, SCORED[:1].assign(set="elsewhere")])
    assert use.external_answer(two, "demo").startswith("2 test sets were opened; ")


def test_parts_of_a_difference_are_points_without_a_minus_before_zero():
    shown = use.external_parts(SCORED).iloc[0]
    assert shown["difference"] == "-24.0 [-29.0, -19.0]" and shown["class mix"] == "+0.0 [-2.0, +2.0]"

"""Tables of test sets of elsewhere, from files by hand: as text, and each line of the weights that it was made with."""

import hashlib
import json

import pandas as pd
import pytest
from fabricate import fabricate, seal

from wagf_src import paths
from wagf_src.report import tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import use

MODEL = "mobilenetv2-base-seed0"
EARLIER, NOW = (hashlib.sha256(weights).hexdigest() for weights in (b"earlier", b"now"))
TABLES = ("external", "external_problems", "external_opened")
OPENED = """opened,set,layout,images,labels_digest,models,commit
2026-01-01 00:00:00 UTC,NA,one sub-folder a class,1200,0012345678901234,m shipped,
2026-01-02 00:00:00 UTC,007,ISIC 2018,3,1234567890123e45,m,0123456
"""


@pytest.fixture
def place(results_dir, monkeypatch):
    """``results/demo/external``; a run with weights, and a shipped model."""
    (run,) = fabricate(results_dir / "demo" / "runs", ("mobilenetv2-base",))
    (run.path / "probe.npz").write_bytes(b"now")
    seal(run.path)
    monkeypatch.setattr(paths, "SHIPPED", results_dir / "shipped")
    ship(NOW)
    return results_dir / "demo" / "external"


def ship(digest):
    paths.SHIPPED.mkdir(exist_ok=True)
    (paths.SHIPPED / "model.json").write_text(json.dumps({"files": {"weights.npz": digest}}))


def seal_without_weights(place):
    run = place.parent / "runs" / MODEL
    (run / "probe.npz").unlink()
    seal(run)


def write(folder, *models):
    """Scores and problems of (model, digest of its weights)."""
    folder.mkdir(parents=True)
    scores = ["set,model,subset,metric,n,value,ci_low,ci_high,weights"]
    scores += [f"{folder.name},{model},all images,accuracy,100,0.42,0.3,,{digest}" for model, digest in models]
    (folder / "external.csv").write_text("\n".join(scores) + "\n")
    problems = ["model,problem,images,set,layout,weights", f",unreadable,1,{folder.name},a layout,"]
    problems += [f"{model},copies,2,{folder.name},a layout,{digest}" for model, digest in models]
    (folder / "problems.csv").write_text("\n".join(problems) + "\n")


def read(name):
    return Evidence("demo", [], {}, tables.TABLES).table(name)


def models(name="external"):
    return read(name)["model"].tolist()


def test_scores_are_of_the_weights_they_were_made_with(place):
    write(place / "clinic", (MODEL, NOW), ("shipped", NOW))
    assert models() == [MODEL, "shipped"] and models("external_problems") == ["", MODEL, "shipped"]
    write(place / "ward", (MODEL, EARLIER), ("shipped", EARLIER), ("gone", NOW))
    marked = [f"{MODEL} (as it was earlier)", "shipped (as it was earlier)", "gone (no longer here)"]
    assert models() == [MODEL, "shipped", *marked]
    assert models("external_problems") == ["", MODEL, "shipped", "", *marked]
    said = use.external_answer(read("external"), "demo")
    assert f"on *ward*, `{MODEL} (as it was earlier)` is right in 42.0" in said
    assert f"on *clinic*, `{MODEL}` is right in 42.0" in said
    ship(EARLIER)
    assert models()[1:4:2] == ["shipped (as it was earlier)", "shipped"]
    seal_without_weights(place)
    assert models()[:3:2] == [f"{MODEL} (as it was earlier)"] * 2, "trained again, and its weights not kept"
    (paths.SHIPPED / "model.json").unlink()
    assert models()[1:4:2] == ["shipped (no longer here)"] * 2


def test_results_that_do_not_say_their_weights_may_be_of_any(place):
    write(place / "clinic", (MODEL, NOW))
    for file in (place / "clinic").iterdir():
        pd.read_csv(file).drop(columns="weights").to_csv(file, index=False)
    assert models() == [f"{MODEL} (as it was earlier)"]
    assert models("external_problems") == ["", f"{MODEL} (as it was earlier)"]


def test_numbers_are_numbers_and_names_are_text(place):
    write(place / "NA", (MODEL, NOW))
    (line,) = read("external").to_dict("records")
    assert pd.isna(line.pop("ci_high"))
    assert line == {
        "set": "NA",
        "model": MODEL,
        "subset": "all images",
        "metric": "accuracy",
        "n": 100,
        "value": 0.42,
        "ci_low": 0.3,
        "provenance": "test sets of elsewhere, models of profile demo",
    }
    assert read("external_problems").drop(columns="provenance").to_numpy().tolist() == [
        ["", "unreadable", 1, "NA", "a layout"],
        [MODEL, "copies", 2, "NA", "a layout"],
    ]


def test_openings_as_they_were_recorded(place):
    place.mkdir()
    (place / "opened.csv").write_text(OPENED)
    table = read("external_opened")
    assert table.drop(columns="provenance").to_numpy().tolist() == [
        ["2026-01-01 00:00:00 UTC", "NA", "one sub-folder a class", 1200, "0012345678901234", "m shipped", ""],
        ["2026-01-02 00:00:00 UTC", "007", "ISIC 2018", 3, "1234567890123e45", "m", "0123456"],
    ]
    assert set(table["provenance"]) == {"test sets of elsewhere, models of profile demo"}
    # As the book reads it.
    file = place.parent / "tables" / "external_opened.csv"
    file.parent.mkdir()
    table.to_csv(file, index=False)
    assert tables.read("demo", "external_opened")["labels_digest"].tolist() == ["0012345678901234", "1234567890123e45"]


def test_own_files_go_before_committed_ones_and_hidden_ones_are_none(place):
    committed = paths.REFERENCE_DIR / "demo" / "external"
    write(committed / "clinic", (MODEL, NOW))
    write(place / ".aside", (MODEL, NOW))
    assert read("external")["set"].tolist() == ["clinic"]
    write(place / "ward", (MODEL, NOW))
    assert read("external")["set"].tolist() == ["ward"]


@pytest.mark.parametrize("name", TABLES)
def test_nothing_was_opened(name, place):
    table, committed = read(name), pd.read_csv(tables.paths.ROOT / f"results/reference/frozen/tables/{name}.csv")
    assert table.empty and list(table) == list(committed)

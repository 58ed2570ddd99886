"""Tables of Equation 1: what runs recorded, differences between branches, and the order of what Keras answers."""

import json

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate, seal
from keras_answers import keras_answers

from wagf_src.paper import equation1
from wagf_src.report import evidence
from wagf_src.report.tables import TABLES
from wagf_src.report.tables.keras_facts import keras_facts


@pytest.fixture
def gathered(results_dir):
    def collect():
        found = evidence.collect("own", TABLES)
        found._made[keras_facts] = keras_answers()
        return found

    return collect


def test_answers_are_put_into_lines_in_their_order(gathered):
    answers, found = keras_answers()["equation1"], gathered()
    exchanges = found.table("equation1_exchanges").set_index(["row", "loss"])
    assert exchanges.loc[("(iii)", "squared error")].iloc[:3].tolist() == answers["exchanges"][1, 1].tolist()
    orbits = found.table("equation1_orbits").set_index(["momentum", "start", "step"])
    assert orbits.loc[(0.9, 0.3, 5), "g_w"] == answers["orbits"][1, 1, 5]
    np.testing.assert_allclose(orbits["g_w"], orbits["formula"], atol=1e-12)
    readings = found.table("equation1_readings").set_index(["fusion", "case", "step"])["g_w"]
    assert readings["learned", equation1.CASES[1], 60] == 0.9
    conversions = found.table("haar_conversions").set_index("map")
    assert conversions.loc["two heads of row (iii)", "Haar to convolution"] == 1e-8 and "7 x 4" in conversions.index
    kernel = found.table("haar_kernel").pivot(index=["row", "column"], columns="panel", values="value")
    np.testing.assert_allclose(kernel.drop(columns="= the 2 x 2 kernel").sum(axis=1), kernel["= the 2 x 2 kernel"])
    controls = found.table("control_branches").set_index("branch")["parameters"]
    assert controls["haar"] - controls["conv"] == 4096
    assert controls.dtype.kind == "i" and "Keras 3.99" in found.table("control_branches")["provenance"][0]


def test_recorded_weights_are_those_of_the_histories(gathered, results_dir):
    runs = fabricate(results_dir / "own" / "runs", ("densenet121-base", "densenet121-sa-gf-described"), seeds=(0, 1))
    history = pd.read_csv(runs[2].path / "history.csv")
    history.assign(g_w=history["epoch"] / 10).to_csv(runs[2].path / "history.csv", index=False)
    seal(runs[2].path)
    table = gathered().table("fusion_weights")
    assert set(table["arm"]) == {"densenet121-sa-gf-described"} and set(table["fusion"]) == {"eq1"}
    first = table[table["seed"] == 0]
    assert first["g_w"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] and (table["g_w"][table["seed"] == 1] == 0.5).all()
    best = json.loads((runs[2].path / "run.json").read_text())["best_epoch"]
    assert first["epoch"][first["kept"]].tolist() == [best] and set(first["run"]) == {runs[2].name}
    assert set(table["profile"]) == {"own"} and table["condition"].iloc[0].startswith("SYNTHETIC, DenseNet-121, ")


def test_without_runs_the_tables_are_empty_and_the_experiments_there(gathered):
    found = gathered()
    assert found.table("fusion_weights").empty and "provenance" in found.table("fusion_weights")
    assert len(found.table("equation1_readings"))

"""What the chapter on the released code says, from made-up answers of Keras and from tables made by hand."""

import numpy as np
import pandas as pd
import pytest
from keras_answers import keras_answers

from wagf_src.report import evidence
from wagf_src.report.prose import released_code as prose
from wagf_src.report.tables import TABLES
from wagf_src.report.tables.keras_facts import keras_facts


@pytest.fixture(scope="module")
def gathered(own_results):
    found = evidence.collect("own", TABLES)
    found._made[keras_facts] = keras_answers()
    return found


@pytest.fixture(scope="module")
def fact(gathered):
    return prose.values(gathered.table("released_facts"))


@pytest.fixture(scope="module")
def parameters(gathered):
    return prose.values(gathered.table("released_parameters"))


def test_answer_counts_the_places(gathered, fact):
    findings = gathered.table("released_code")
    text = prose.answer(findings, fact)
    assert text.startswith("in 9 places: validation files, learning rate, ") and "which ones depends on" in text
    assert "0.50 $F_{sa}$ + 0.33 $F_w$" in text
    agreed = findings.replace("disagree", "agree", regex=True)
    assert "which ones depends on" not in prose.answer(agreed, fact)


def test_validation_takes_the_epoch_of_the_best_score():
    curves = {prose.TRAINED: [90.0, 99], prose.SIBLINGS: [80.0, 70], prose.OTHERS: [60.0, 61], prose.TEST: [50.0, 55]}
    text = prose.validation(pd.DataFrame(curves))
    assert "training files scores 99.0% there and 55.0% on new lesions" in text
    assert "same lesions 80.0% there and 50.0% on new lesions" in text


def test_fusion_and_rule(fact):
    assert "derivatives of random maps run from 1 to 1." in prose.fusion(fact)
    assert "0.5000\\,F_{sa} + 0.3333\\,F_w" in prose.fusion(fact) and "25% of its entries" in prose.fusion(fact)
    assert "agrees with the rule to 0." in prose.rule(fact)
    assert "JAX is not installed" in prose.rule(fact.where(fact.index != "jax_distance"))


def test_soft_attention_says_what_it_depends_on(gathered, fact, parameters):
    builds, sizes = gathered.table("soft_attention_builds"), gathered.table("soft_attention_sizes")
    text = prose.soft_attention(builds, sizes, fact, parameters)
    assert "with oneDNN from channels 0 to 2 (the rule); without oneDNN, from channels 14 to 16 (the middle)" in text
    assert "In TensorFlow's own kernel (oneDNN off), the forward pass reads other channels" in text
    assert "one image *no definition that we know*" in text and "alone in its batch" in text
    assert "(images x channels: 1 x 1,024)" in text
    assert "90 of 9,000 kernel weights ever get a gradient, those in rows 5 to 7" in text
    same = {"it reads": builds["it reads"][0], "channels that change the output": "0"}
    same["channels that get a gradient"] = "0"
    even = sizes.assign(**{"oneDNN reads": "the rule", "its scores computed again": "the same"})
    text = prose.soft_attention(builds.assign(**same), even, fact, parameters)
    assert not any(part in text for part in ("in common", "forward pass", "depends on", "Computed again"))


def test_builds_are_shown_as_powers_of_ten():
    read = {"relative distance to the rule": [1e-7], "to the middle channels": [2.0], "provenance": ["x"]}
    assert prose.builds_table(pd.DataFrame(read)).iloc[0].tolist() == ["1e-07", "2e+00"]


def test_lstms(gathered, parameters):
    text = prose.lstms(gathered.table("safa_miniature"), parameters)
    assert "Of the miniature's 7 layers, 3 are in the model" in text and "from 9 to 1,097" in text
    assert "0 of the released module's 60 parameters are in LSTMs, 5 of the described one's 50" in text
    assert "has 8,000 parameters, 1,000 on top of DenseNet-121's 7,000, none of them in LSTMs" in text


def test_batch_f1_names_the_printed_rows(fact):
    text = prose.batch_f1(fact)
    # Rows (i), (ii) and (iii) of Table 1; (iii): 92.66 and 90.05 printed, and an F1 of 91.735 at most.
    assert "3 rows of Table 1 exceed theirs, by up to 0.38 points" in text
    assert f"an F1 above {fact['f1_bound']:.2f}" in text and "the last batch holds 15 images" in text


def test_scaling_pca_and_resizing(gathered, fact):
    scaling = gathered.table("input_scaling")
    text = prose.scaling(scaling)
    assert "4.0 times less than DenseNet-121's" in text and "2.0 times less than MobileNetV2's and 9 times" in text
    shown = prose.scaling_table(scaling)
    assert shown["standard deviation"][1] == f"{scaling['sd'][1]:.2f}" and "provenance" not in shown
    numbers = pd.Series({"pca_once": 0.875, "pca_shuffled": 0.5, "pca_sorted": 0.125})
    assert "87.5% of the points" in prose.pca(numbers) and "12.5% when the batches come sorted" in prose.pca(numbers)
    # 65,536 of 270,000 pixels are 24.3%.
    assert "uses 9% of the pixels at this size, and 24% at 256 x 256" in prose.resizing(fact) and np.isfinite(
        fact["resizing_noise"]
    )

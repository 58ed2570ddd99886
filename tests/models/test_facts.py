"""What Keras answers for the reports, against formulas, published sizes, PyWavelets and the operator's definition."""

import numpy as np
import pytest
import pywt

pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("the facts need TensorFlow's tape", allow_module_level=True)

from wagf_src.models import equation1_facts, facts, released_facts  # noqa: E402
from wagf_src.paper import equation1, released  # noqa: E402


def test_the_released_gradient_layer_is_a_fixed_sum():
    found = released_facts.gradient_layer()
    assert found["least_derivative"] == found["greatest_derivative"] == 1
    assert [found["coefficient_sa"], found["coefficient_w"]] == pytest.approx([1 / 2, 1 / 3], rel=1e-6)
    assert found["coefficient_spread"] < 1e-6 and found["fusion_distance"] < 1e-6
    assert found["least_loss_gradient"] < 0 < found["greatest_loss_gradient"]


def test_todays_adam():
    found = released_facts.learning_rate()
    assert found["default_rate"] == pytest.approx(0.001)
    assert (found["rate_error"] != "") == np.isnan(found["rate"])


def test_soft_attention_by_the_operators_definition():
    x, kernel = released.probe()
    found = released_facts.soft_attention(x, kernel)
    np.testing.assert_allclose(found["attention"], released.attention(released.scores(x, kernel)), atol=1e-5)
    if not np.isnan(found["jax_scores"]).any():
        np.testing.assert_allclose(found["jax_scores"], released.scores(x, kernel), atol=1e-4)
    # 2 H - 1 = 15 rows about the middle of 1,024, each of 3 x 3 weights for 16 heads.
    assert (found["kernel_weights"], found["kernel_learns"]) == (1024 * 9 * 16, 15 * 9 * 16)
    assert (found["kernel_first_row"], found["kernel_last_row"]) == (511 - 7, 511 + 7)


def test_sizes_by_formula():
    found = released_facts.sizes()
    counts = dict(zip(found["parts"], found["parameters"]))
    lstms = 2 * 4 * (8 * 8 + 8 * 8 + 8)  # two of 8 units on 8 inputs: four gates with kernel, recurrent kernel and bias
    assert counts["LSTMs of SaFA, described"] == lstms and counts["LSTMs of SaFA, released"] == 0
    assert counts["miniature"] == 8 + 1 and counts["miniature, connected"] == 8 + 1 + lstms
    assert counts["soft attention, released"] == counts["soft attention, described"] == 9 * 1024 * 16 + 16
    assert counts["DenseNet-121"] == 7_037_504  # keras.io/api/applications, without top
    assert found["in_model"] == ["difference map", "similarity", "attention"] and len(found["in_intended"]) == 7


def test_inputs_by_formula():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype("float32")
    found = released_facts.inputs(pixels)
    np.testing.assert_allclose(found["input_rescale"], pixels / 255, rtol=1e-6)
    np.testing.assert_allclose(found["input_tf"], pixels / 127.5 - 1, atol=1e-6)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(found["input_torch"], (pixels / 255 - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(found["input_caffe"], pixels[..., ::-1] - [103.939, 116.779, 123.68], atol=1e-4)


@pytest.mark.parametrize("loss", equation1.LOSSES)
@pytest.mark.parametrize("arm", equation1.ROWS.values())
def test_new_weights_are_the_old_ones_exchanged(arm, loss):
    closed, exchange, entry = equation1_facts.exchanges(arm, equation1_facts.LOSSES[loss])
    assert max(exchange, entry) < 1e-5
    assert closed < 1e-4 if loss == "cross entropy" else np.isnan(closed)


def test_orbits_by_the_formula():
    np.testing.assert_allclose(equation1_facts.orbit(0.2, 0.0, 4), [0.2, 0.8, 0.2, 0.8, 0.2], atol=1e-6)
    # (2 m - 1)^t (g - 1/2) with m = 0.75: the distance to one half is halved every step.
    np.testing.assert_allclose(equation1_facts.orbit(0.9, 0.75, 3), [0.9, 0.7, 0.6, 0.55], atol=1e-6)


def test_readings_respond_as_they_are_defined():
    in_wavelet, in_soft, larger = equation1_facts.readings("learned", steps=30)
    assert len(in_wavelet) == 31 and in_wavelet[0] == 0.5
    assert in_wavelet[-1] < 0.4 < 0.6 < in_soft[-1]  # less weight on g is more on the branch
    assert np.ptp(equation1_facts.readings("eq1", steps=3)) < 1e-6


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (1, 1)])
def test_weights_convert_both_ways(size):
    assert max(equation1_facts.conversion(*size)) < 1e-5


def test_a_kernel_is_the_sum_of_haar_patterns():
    found = equation1_facts.whole_heads()
    assert found["whole"] < 1e-5
    np.testing.assert_allclose(np.tensordot(found["weights"], found["patterns"], axes=1), found["kernel"], atol=1e-6)
    patch = np.random.default_rng(0).normal(size=(2, 2))
    low, high = pywt.dwt2(patch, "haar", mode="symmetric")
    expected = [band.item() for band in (low, *high)]
    np.testing.assert_allclose(np.tensordot(found["patterns"], patch, axes=2), expected, atol=1e-12)


def test_branches_at_the_released_size():
    sizes, spreads = zip(*(equation1_facts.branch(name) for name in equation1.BRANCHES))
    assert sizes == (4096 + 4096 * 1024 + 1024, 4096 * 1024 + 1024, 1024 * 1024 + 1024)
    assert spreads[1] == pytest.approx(np.sqrt(2 / (4096 + 1024)), rel=0.01)  # Glorot's uniform start


def test_answers_carry_the_names_of_their_module(monkeypatch):
    monkeypatch.setattr(
        released_facts, "answer", lambda question: {name: 2 * array for name, array in question.items()}
    )
    found = facts.answers({"released_facts/a": np.array([1]), "released_facts/b": np.array(3)})
    assert {name: np.ravel(v).tolist() for name, v in found.items()} == {
        "released_facts/a": [2],
        "released_facts/b": [6],
    }

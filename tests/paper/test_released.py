"""The released soft attention, against scipy and against what TensorFlow must do."""

import io
import subprocess

import numpy as np
import pytest
from scipy.signal import correlate

from wagf_src.paper import keras_process, released
from wagf_src.paper.released import CHANNELS


def window_by_scipy(x, kernel, first):
    """The 3-D correlation of the whole padded volume by scipy, read where the channels' window begins at
    ``first``."""
    batch, height, width, channels = x.shape
    front = (channels - 1) // 2
    volume = np.pad(x.astype(float), ((0, 0), (front, channels - 1 - front), (1, 1), (0, 0)))
    found = [
        [correlate(v, k, mode="valid", method="direct")[:, :, first] for k in np.moveaxis(kernel[:, :, :, 0], -1, 0)]
        for v in volume
    ]
    return np.moveaxis(np.array(found), 1, -1)


@pytest.mark.parametrize(
    ("height", "width", "channels", "first"), [(4, 4, 9, 0), (4, 3, 8, 2), (3, 5, 5, 1), (6, 6, 4, 0)]
)
def test_definition_is_a_three_dimensional_correlation(height, width, channels, first):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, height, width, channels)), rng.normal(size=(channels, 3, 3, 1, 2))
    found = released.scores(x, kernel, first)
    np.testing.assert_allclose(found, window_by_scipy(x, kernel, first), atol=1e-12)
    others = np.delete(np.arange(channels), np.arange(first, first + 3))
    changed = x.copy()
    changed[..., others] = np.nan
    np.testing.assert_array_equal(released.scores(changed, kernel, first), found)


@pytest.mark.parametrize(("height", "width", "channels", "step"), [(4, 4, 9, 3), (3, 5, 8, 2), (6, 6, 6, 1)])
def test_a_longer_step_reads_the_image_row_after_row(height, width, channels, step):
    """scipy's one-dimensional correlation along all rows of an image, laid end to end, for each row of the kernel."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, height, width, channels)), rng.normal(size=(channels, 3, 3, 1, 2))
    expected = np.zeros((2, height, width, 2))
    for image, head, i in np.ndindex(2, 2, channels):
        line = np.zeros(3 * ((height + step) * (width + 2)))
        padded = np.pad(x[image, :, :, :3], ((0, 0), (1, 1), (0, 0))).ravel()
        line[: len(padded)] = padded
        found = correlate(line, kernel[i, :, :, 0, head].ravel(), mode="valid")[::3]  # windows that begin at any column
        for row in range(height):
            r = row + i - (channels - 1) // 2
            if 0 <= r < height:
                expected[image, row, :, head] += found[r * (width + 2) :][: step * width : step]
    np.testing.assert_allclose(released.scores(x, kernel, step=step), expected, atol=1e-12)


def test_middle_channel_at_the_released_size():
    assert released.middle_channel(1024) == 510


def test_jax_takes_the_definition_literally():
    pytest.importorskip("jax")
    from wagf_src.models import conv3d_facts

    x, kernel = released.probe()
    by_rule = released.scores(x, kernel)
    np.testing.assert_allclose(conv3d_facts.jax_scores(x, kernel), by_rule, atol=1e-4)
    # The two definitions are told apart by the probe, or the chapter's table would say nothing.
    assert np.abs(by_rule - released.scores(x, kernel, released.middle_channel(CHANNELS))).max() > 1


@pytest.mark.parametrize("size", [(2, CHANNELS), (1, 1024)])
def test_a_build_is_told_by_its_scores(size):
    x, kernel = released.probe(*size)
    middle = released.middle_channel(size[1])
    assert released.reads(released.scores(x, kernel), *size) == "channels 0 to 2 (the rule)"
    assert (
        released.reads(released.scores(x, kernel, middle), *size) == f"channels {middle} to {middle + 2} (the middle)"
    )
    assert released.reads(released.scores(x, kernel, step=3), *size) == "channels 0 to 2, moving 3 columns for one"
    spoiled = released.scores(x, kernel)
    spoiled[0, 0, 0, 0] = np.nan
    assert released.reads(spoiled, *size) == "no definition that we know"


def test_attention_sums_to_the_heads_and_leaves_out_negative_scores():
    scores = np.full((1, 2, 2, 3), -5.0)
    scores[0, 0, 0] = 2  # e^2 against e^0 three times
    weight = np.exp(2) / (np.exp(2) + 3)
    np.testing.assert_allclose(
        released.attention(scores)[0], 3 * np.array([[weight, (1 - weight) / 3], [(1 - weight) / 3] * 2])
    )


def test_tensorflow_without_onednn_reads_the_middle_and_blames_the_first():
    """In a process of its own; compiled by XLA, the same TensorFlow follows the rule."""
    pytest.importorskip("tensorflow")
    x, kernel = released.probe()
    answer = released.tensorflow_build(onednn=False)
    middle = released.middle_channel(CHANNELS)
    assert np.flatnonzero(answer["influence"]).tolist() == [middle, middle + 1, middle + 2]
    np.testing.assert_allclose(answer["scores"], released.scores(x, kernel, middle), atol=1e-4)
    np.testing.assert_allclose(answer["compiled"], released.scores(x, kernel), atol=1e-4)
    assert np.flatnonzero(answer["gradient"]).tolist() == [0, 1, 2]
    # At the released number of channels the middle is 510 to 512.
    x, kernel = released.probe(2, 1024)
    np.testing.assert_allclose(answer["scores_2_1024"], released.scores(x, kernel, 510), atol=1e-4)


def test_an_answer_is_kept_and_asked_again_only_if_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    asked = []

    def answer(onednn, questions):  # in TensorFlow's place, which takes seconds
        asked.append(onednn)
        file = io.BytesIO()
        np.savez(file, **{"conv3d_facts/scores": np.arange(5.0)})
        yield np.frombuffer(file.getvalue(), np.uint8)

    monkeypatch.setattr(keras_process, "_answer", answer)
    for _ in range(2):
        np.testing.assert_array_equal(released.tensorflow_build(onednn=False)["scores"], np.arange(5.0))
    assert asked == [False]
    (file,) = tmp_path.glob("keras-*.npy")
    with monkeypatch.context() as patch:
        for onednn, code in ((True, keras_process.code_digest), (False, lambda modules: "other code")):
            patch.setattr(keras_process, "code_digest", code)
            released.tensorflow_build(onednn)  # what nobody answered yet
    assert asked == [False, True, False]
    file.write_bytes(file.read_bytes()[:-100])
    for _ in range(2):
        np.testing.assert_array_equal(released.tensorflow_build(onednn=False)["scores"], np.arange(5.0))
    assert asked == [False, True, False, False]


def test_a_failing_tensorflow_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(keras_process.sys, "executable", "false")
    with pytest.raises(RuntimeError, match="TensorFlow failed"):
        released.tensorflow_build(onednn=True)


def test_a_readers_backend_or_gpu_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("WAGF_CACHE_DIR", str(tmp_path))

    def run(command, env, **_):
        seen.update(env)
        return subprocess.CompletedProcess(command, 1, "", "stopped here")

    seen = {}
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(keras_process.subprocess, "run", run)
    with pytest.raises(RuntimeError, match="stopped here"):
        keras_process.ask(conv3d_facts={})
    assert (seen["KERAS_BACKEND"], seen["CUDA_VISIBLE_DEVICES"], seen["TF_ENABLE_ONEDNN_OPTS"]) == (
        "tensorflow",
        "-1",
        "0",
    )

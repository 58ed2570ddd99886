"""Batches against arrays: the same order, the same history, and no tuning thread to wait for."""

import keras
import numpy as np
import pytest

from wagf_src.train.batches import batches

rng = np.random.default_rng(0)
N = 83
X = {"number": rng.permutation(N).astype(np.int32), "map": rng.normal(size=(N, 8)).astype(np.float32)}
Y = rng.integers(0, 3, N)


def model():
    keras.utils.set_random_seed(1)
    number, affine = keras.Input((), dtype="int32", name="number"), keras.Input((8,), name="map")
    x = keras.layers.Concatenate()([keras.layers.Embedding(N, 4)(number), affine])
    model = keras.Model({"number": number, "map": affine}, keras.layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_history_and_predictions_are_those_of_arrays():
    plain, batched = model(), model()
    for _ in range(2):
        expected = plain.fit(X, Y, batch_size=16, shuffle=False, verbose=0).history
        history = batched.fit(**batches(X, Y, 16), shuffle=False, verbose=0).history
        assert {k: pytest.approx(v, rel=1e-6) for k, v in expected.items()} == history
    expected = plain.predict(X, batch_size=32, verbose=0)
    np.testing.assert_allclose(batched.predict(**batches(X, None, 32), verbose=0), expected, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
def test_batches_are_in_order_and_none_is_lost():
    given = batches(X, Y, 16)
    assert list(given) == ["x"] and given["x"].options().autotune.enabled is False
    parts = list(given["x"])
    assert [len(y) for _, y in parts] == [16] * 5 + [3]
    for name in X:
        both = np.concatenate([x[name] for x, _ in parts])
        np.testing.assert_array_equal(both, X[name])
        assert both.dtype == X[name].dtype
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), Y)
    assert [len(x["map"]) for (x,) in batches(X, None, 83)["x"]] == [83]


def test_errors():
    for x, y in (({"number": np.arange(3)}, np.arange(4)), ({"number": np.arange(0)}, None)):
        with pytest.raises(ValueError, match="arrays of one length"):
            batches(x, y, 2)

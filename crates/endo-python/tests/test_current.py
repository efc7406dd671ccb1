"""What is asked of a model without data is of the layers that it has now, and what is printed."""

import re
from pathlib import Path

import numpy as np
import pytest

from endo import keras, tf

from small_models import X, Y, chain

L = keras.layers
PACKAGE = Path(__file__).parents[1]


def test_the_summary_follows_a_layer_that_was_taken_away(capsys):
    model = keras.Sequential([keras.Input((3,)), L.Dense(4, name="one"), L.Dense(2, name="two")])
    model.pop()
    model.summary()
    text = capsys.readouterr().out
    assert "one" in text and "two" not in text and "16 parameters" in text


def test_files_of_weights_follow_a_layer_that_was_taken_away(tmp_path):
    model = chain(L.Dense(4), L.Dense(2))
    model.fit(X, X[:, :2], verbose=0)
    model.pop()
    model.save_weights(tmp_path / "weights.safetensors")
    same = keras.Sequential([keras.Input((3,)), L.Dense(4)])
    same.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_allclose(same.predict(X), model.layers[0](X), rtol=1e-4, atol=1e-6)
    model.save(tmp_path / "model.endo")
    again = keras.models.load_model(tmp_path / "model.endo")
    np.testing.assert_array_equal(again.predict(X), same.predict(X))


def test_an_export_and_a_summary_follow_a_layer_that_was_replaced(tmp_path, capsys):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = L.Dense(1, name="small")

        def call(self, inputs):
            return self.head(inputs)

    model = Net()
    model(X)
    model.predict(X)
    model.export(tmp_path / "small")
    model.head = L.Dense(500, name="large")
    model.export(tmp_path / "large")
    sizes = [(tmp_path / name).stat().st_size for name in ("small", "large")]
    assert sizes[1] > sizes[0] + 4000
    model.summary()
    text = capsys.readouterr().out
    assert "large" in text and "small" not in text


def test_a_line_is_printed_for_each_epoch_and_each_evaluation(capsys):
    model = chain(metrics=["mae"])
    model.fit(X, Y, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(rf"Epoch {number}/2 - \d+\.\d\ds - loss: \S+ - mae: \S+", line)
    model.evaluate(X, Y)
    assert re.fullmatch(r"\d+\.\d\ds - loss: \S+ - mae: \S+\n", capsys.readouterr().out)


def test_verbose_0_is_silent(capsys):
    model = chain()
    model.fit(X, Y, verbose=0, validation_data=(X, Y))
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def _phrases():
    """What the native part replaces in messages, as it stands there."""
    text = (PACKAGE / "src" / "phrases.rs").read_text().split("pub fn", 1)[0]
    text = re.sub(r"\\\n\s*", "", text)
    return re.findall(r'\(\s*"((?:[^"\\]|\\.)*)",\s*"', text)


@pytest.mark.parametrize("phrase", _phrases())
def test_a_phrase_that_is_replaced_in_messages_is_one_of_the_library_s(phrase):
    core = PACKAGE.parent / "endo" / "src"
    if not core.exists():
        pytest.skip("the package is tested without the library's source")
    sources = [re.sub(r"\\\n\s*", "", path.read_text()) for path in core.rglob("*.rs")]
    assert any(phrase in source for source in sources)


def test_messages_advise_no_method_of_rust():
    with pytest.raises(Exception) as raised:
        tf.reduce_sum(np.ones((2, 2), np.float32), axis=7)
    assert "::" not in str(raised.value)


def test_each_loss_and_metric_is_described_by_a_sentence():
    for module in (keras.losses, keras.metrics):
        for name, (*_, text) in module._TABLE.items():
            assert text[0].isupper() and text.endswith(".") and len(text.split()) > 2, name

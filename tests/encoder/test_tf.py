"""The door to TensorFlow: quiet, and clear where it is missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jobsearch.encoder.tf import _quiet

MISSING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name=name)
sys.meta_path.insert(0, Missing())
from jobsearch.encoder.library import find_encoder
from jobsearch.errors import EncoderError
print(find_encoder().encode(["nurse"]).shape)
for source in ("https://tfhub.dev/google/universal-sentence-encoder-multilingual/3", sys.argv[1]):
    try:
        find_encoder(source)
    except EncoderError as error:
        print(error)
"""

LOUD = """
import os, sys
from jobsearch.encoder.tf import tensorflow
tf = tensorflow()
assert tf is tensorflow() is sys.modules["tensorflow"]
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
assert float(tf.reduce_sum([1.0, 2.0])) == 3
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("sgd", "mse", jit_compile=True)
model.fit(tf.ones((8, 3)), tf.ones((8, 1)), verbose=0)
os.write(2, b"heard")
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=environment
    )


def test_without_tensorflow_the_native_encoder_works_and_others_say_what_to_install(tmp_path_factory) -> None:
    directory = tmp_path_factory.mktemp("savedmodel")
    (directory / "saved_model.pb").write_bytes(b"")
    done = run(MISSING, str(directory))
    shape, *errors = done.stdout.splitlines()
    assert shape == "(1, 512)"
    message = "TensorFlow is needed (No module named 'tensorflow'); run `pip install 'tensorflow>=2.21,<2.22'`"
    assert errors == [message, message]


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with _quiet():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with _quiet():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


@pytest.mark.slow
def test_the_start_of_tensorflow_is_quiet_and_stderr_comes_back() -> None:
    done = run(LOUD)
    assert (done.stdout, done.stderr) == ("", "heard")

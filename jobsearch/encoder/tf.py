"""The one door to TensorFlow: imported late, quietly, and with an error that says how to install it."""

from __future__ import annotations

import os
from types import ModuleType

from jobsearch.errors import EncoderError


def tensorflow() -> ModuleType:
    """Import TensorFlow (2 to 3 s), its own start-up log lines switched off unless the user asked for them.

    Raises:
        EncoderError: TensorFlow is not installed or cannot be loaded.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise EncoderError(f"tuning needs TensorFlow ({error}); run `pip install 'tensorflow>=2.21,<2.22'`") from error
    return tf  # type: ignore[no-any-return]

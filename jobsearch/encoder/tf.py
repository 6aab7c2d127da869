"""The one door to TensorFlow: imported late, quietly, and with an error that says how to install it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from jobsearch.errors import EncoderError


def tensorflow(first: Callable[[ModuleType], Any] = lambda tf: tf.constant(0)) -> ModuleType:
    """Import TensorFlow (2 to 3 s), with its start-up chatter switched off unless TF_CPP_MIN_LOG_LEVEL is set.

    Args:
        first: what is done with it first, if it was not imported before. The runtime starts, and talks, at the first
            operation; what must come before that, such as joining a cluster, is done here.

    Raises:
        EncoderError: TensorFlow is not installed or cannot be loaded.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        with _quiet():
            try:
                import tensorflow as tf
            except ImportError as error:
                raise EncoderError(
                    f"TensorFlow is needed ({error}); run `pip install 'tensorflow>=2.21,<2.22'`"
                ) from error
            first(tf)
    return sys.modules["tensorflow"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the C++ side writes to stderr before its own log level counts.

    The level is read once, at the start: the caller's processes find their environment as it was.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (a device, not a file of ours)
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        os.dup2(kept, 2)
        os.close(kept)

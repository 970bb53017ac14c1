"""`activate()`: makes `object_detection` and `nets` importable on today's TensorFlow."""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hand_detection.console import UserError
from hand_detection.paths import API

RESEARCH = API / "research"


def make_importable(research: Path = RESEARCH) -> None:
    """Put the API on the module path. Enough for its protos, which do not need TensorFlow.

    Raises:
        UserError: the API is not installed.
    """
    if not (research / "object_detection").is_dir():
        raise UserError("the Object Detection API is not installed: run ./install.sh first")
    for folder in (research / "slim", research):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


@cache
def activate(research: Path = RESEARCH) -> Any:
    """Prepare this process for the API; return `tensorflow.compat.v1`.

    To be called before anything of the API is imported. TensorFlow is put into the behaviour
    of its version 1 for the whole process: graphs, sessions and reference variables.

    Raises:
        UserError: the API is not installed.
    """
    make_importable(research)
    # Read by tf-keras and TensorFlow at import.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Before any module of the API can load pyplot: a server has no display.
    os.environ["MPLBACKEND"] = "Agg"

    # Deprecations within TensorFlow's and Keras' own code are not the user's to mend.
    warnings.filterwarnings("ignore", module=r"tensorflow\.|tf_keras\.|tf_slim\.")
    with silent_start():
        tf = importlib.import_module("tensorflow.compat.v1")
    tf.logging.set_verbosity(tf.logging.ERROR)
    # The API warns through the root logger of every variable that a checkpoint does not have;
    # train says the same in one line.
    logging.getLogger().setLevel(logging.ERROR)
    tf.disable_v2_behavior()
    _restore_names_for_tf_slim()
    _leave_no_bytecode()
    from hand_detection.api import contrib, estimator

    tf.contrib = contrib.install()
    tf.estimator = estimator.module()
    return tf


@contextmanager
def silent_start() -> Iterator[None]:
    """Hide what TensorFlow's C++ libraries print while they load; no setting turns it off."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def reason(error: Exception) -> str:
    """The line of a TensorFlow error, or another, that tells what was wrong.

    It stands after the node that found it, where the graph was made, and a count of its causes.
    """
    text = str(getattr(error, "message", error))
    said = re.split(r"^Node: .*\n", text, flags=re.MULTILINE)[-1]
    lines = [line.strip() for line in said.splitlines() if "root error" not in line]
    return next(filter(None, lines), type(error).__name__)


def _leave_no_bytecode() -> None:
    """AutoGraph removes its temporary modules, not what Python compiles of them beside them."""
    loader = importlib.import_module("tensorflow.python.autograph.pyct.loader")
    load = loader.load_source

    def load_source(*args: Any, **kwargs: Any) -> Any:
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            return load(*args, **kwargs)
        finally:
            sys.dont_write_bytecode = before

    loader.load_source = load_source


def _restore_names_for_tf_slim() -> None:
    """tf-slim 1.1.0 (2020) reaches into TensorFlow and Keras for names that have moved since."""
    import tensorflow as tf2
    import tf_keras
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import (
        cond,
        control_flow_assert,
        control_flow_case,
        control_flow_ops,
        while_loop,
    )

    layers = importlib.import_module("tf_keras.src.legacy_tf_layers")
    tf_keras.legacy_tf_layers = layers
    sys.modules["tf_keras.legacy_tf_layers"] = layers
    for name in ("base", "convolutional", "core", "normalization", "pooling"):
        module: ModuleType = importlib.import_module(f"tf_keras.src.legacy_tf_layers.{name}")
        setattr(layers, name, module)
        sys.modules[f"tf_keras.legacy_tf_layers.{name}"] = module

    moved = {
        "Assert": control_flow_assert.Assert,
        "case": control_flow_case.case,
        "cond": cond.cond,
        "while_loop": while_loop.while_loop,
    }
    for name, function in moved.items():
        if not hasattr(control_flow_ops, name):
            setattr(control_flow_ops, name, function)
    for name in ("Tensor", "IndexedSlices"):
        if not hasattr(ops, name):
            setattr(ops, name, getattr(tf2, name))

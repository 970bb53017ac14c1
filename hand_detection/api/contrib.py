"""What the API uses of tf.contrib, which is gone since TensorFlow 2.0.

Most of it lives on in tf-slim; the few other names are written here anew. What cannot be had
today (quantization-aware rewriting, TPUs) imports, and says that it is not supported when it
is used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim

from hand_detection.api.moving_average import MovingAverageOptimizer


class HParams(SimpleNamespace):
    """tf.contrib.training.HParams: a bag of named values."""

    def values(self) -> dict[str, Any]:
        """The values by name."""
        return dict(vars(self))

    def override_from_dict(self, values: dict[str, Any]) -> HParams:
        """Set values that exist already."""
        for name, value in values.items():
            self.set_hparam(name, value)
        return self

    def set_hparam(self, name: str, value: Any) -> None:
        """Set one value that exists already."""
        if name not in vars(self):
            raise KeyError(name)
        setattr(self, name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add one value."""
        setattr(self, name, value)

    def parse(self, text: str) -> HParams:
        """Set values from "name=value,name=value"; only the empty text is supported."""
        if text:
            raise NotImplementedError("overrides are given with --set KEY=VALUE, not as HParams")
        return self


def parallel_interleave(
    map_func: Any,
    cycle_length: int,
    block_length: int = 1,
    sloppy: bool = False,
    buffer_output_elements: int | None = None,
    prefetch_input_elements: int | None = None,
) -> Any:
    """tf.contrib.data.parallel_interleave on today's Dataset.interleave."""

    def apply(dataset: Any) -> Any:
        return dataset.interleave(
            map_func,
            cycle_length=cycle_length,
            block_length=block_length,
            num_parallel_calls=tf.data.experimental.AUTOTUNE,
            deterministic=not sloppy,
        )

    return apply


def batch_and_drop_remainder(batch_size: int) -> Any:
    """tf.contrib.data.batch_and_drop_remainder."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def greedy_bipartite_match(
    distances: np.ndarray, valid_rows: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Match rows to columns, the pair of smallest distance first.

    tf.contrib.image.bipartite_match is greedy by its documentation; the assignment of smallest
    total distance (SciPy's linear_sum_assignment) is another one.

    Args:
        distances: float array of shape (rows, columns).
        valid_rows: how many of the first rows take part; negative for all of them.

    Returns:
        Two int32 arrays of shapes (rows,) and (columns,): the partner of each, or -1.
    """
    rows, columns = distances.shape
    count = int(valid_rows)
    count = rows if count < 0 else min(count, rows)
    row_match = np.full(rows, -1, np.int32)
    column_match = np.full(columns, -1, np.int32)
    left = min(count, columns)
    for flat in np.argsort(distances[:count], axis=None, kind="stable"):
        if left == 0:
            break
        row, column = divmod(int(flat), columns)
        if row_match[row] < 0 and column_match[column] < 0:
            row_match[row], column_match[column] = column, row
            left -= 1
    return row_match, column_match


def bipartite_match(
    distance_mat: Any, num_valid_rows: Any, top_k: int = -1, name: str = "bipartite_match"
) -> tuple[Any, Any]:
    """tf.contrib.image.bipartite_match as a graph op; see `greedy_bipartite_match`."""
    if top_k != -1:
        raise NotImplementedError("bipartite_match is supported with top_k=-1 only")
    row_match, column_match = tf.numpy_function(
        greedy_bipartite_match, [distance_mat, num_valid_rows], [tf.int32, tf.int32], name=name
    )
    row_match.set_shape(distance_mat.shape[:1])
    column_match.set_shape(distance_mat.shape[1:])
    return row_match, column_match


def is_tensor(value: Any) -> bool:
    """tf.contrib.framework.is_tensor."""
    return tf.is_tensor(value)


class _Unsupported(ModuleType):
    """A module whose every name can be had and none can be called."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name)
        self.__dict__["_why"] = why

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full_name, why = f"{self.__name__}.{name}", self._why

        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise NotImplementedError(f"{full_name} is not supported: {why}")

        return refuse


def install() -> ModuleType:
    """Put a stand-in for tf.contrib in place and return it. Safe to call again."""
    if (present := sys.modules.get("tensorflow.contrib")) is not None:
        return present

    def module(name: str, **names: Any) -> ModuleType:
        made = ModuleType(f"tensorflow.contrib.{name}" if name else "tensorflow.contrib")
        made.__path__ = []  # makes it a package, so that submodules can be imported
        vars(made).update(names)
        return register(made)

    def register(made: ModuleType) -> ModuleType:
        sys.modules[made.__name__] = made
        parent, _, last = made.__name__.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], last, made)
        return made

    contrib = module("")
    contrib.slim = tf_slim
    sys.modules["tensorflow.contrib.slim"] = tf_slim
    # The attribute tf_slim.layers is another module than the package of that name.
    layers = importlib.import_module("tf_slim.layers")
    sys.modules["tensorflow.contrib.layers"] = contrib.layers = layers
    module(
        "framework",
        add_arg_scope=tf_slim.add_arg_scope,
        arg_scope=tf_slim.arg_scope,
        arg_scoped_arguments=tf_slim.arg_scoped_arguments,
        deprecated=lambda *args, **kwargs: lambda function: function,
        filter_variables=tf_slim.filter_variables,
        get_variables=tf_slim.get_variables,
        get_variables_by_name=tf_slim.get_variables_by_name,
        get_or_create_global_step=tf.train.get_or_create_global_step,
        is_tensor=is_tensor,
        model_variable=tf_slim.model_variable,
        nest=tf.nest,
        variable=tf_slim.variable,
    )
    module(
        "lookup",
        HashTable=tf.lookup.StaticHashTable,
        KeyValueTensorInitializer=tf.lookup.KeyValueTensorInitializer,
        index_table_from_tensor=_index_table_from_tensor,
    )
    module(
        "data",
        AUTOTUNE=tf.data.experimental.AUTOTUNE,
        batch_and_drop_remainder=batch_and_drop_remainder,
        parallel_interleave=parallel_interleave,
    )
    module(
        "training",
        HParams=HParams,
        checkpoints_iterator=tf.train.checkpoints_iterator,
    )
    module("opt", MovingAverageOptimizer=MovingAverageOptimizer)
    module("image", bipartite_match=bipartite_match)
    module("image.python")
    module("image.python.ops")
    module("image.python.ops.image_ops", bipartite_match=bipartite_match)
    module("tfprof")
    module(
        "tfprof.model_analyzer",
        TRAINABLE_VARS_PARAMS_STAT_OPTIONS={},
        FLOAT_OPS_OPTIONS={},
        print_model_analysis=lambda *args, **kwargs: None,
    )

    gone = "TensorFlow 2 has no counterpart; remove graph_rewriter from the config"
    register(_Unsupported("tensorflow.contrib.quantize", gone)).__path__ = []
    register(_Unsupported("tensorflow.contrib.quantize.python", gone)).__path__ = []
    register(_Unsupported("tensorflow.contrib.quantize.python.graph_matcher", gone))
    no_tpu = "this tutorial trains on CPUs and GPUs; leave TPU settings out of the config"
    for name in ("tpu", "tpu.python", "tpu.python.tpu", "cluster_resolver"):
        register(_Unsupported(f"tensorflow.contrib.{name}", no_tpu)).__path__ = []
    for name in ("tpu_config", "tpu_estimator"):
        register(_Unsupported(f"tensorflow.contrib.tpu.python.tpu.{name}", no_tpu))
    no_learn = "tf.estimator is gone; train with ./train.sh"
    register(_Unsupported("tensorflow.contrib.learn", no_learn))
    return contrib


def _index_table_from_tensor(
    mapping: Any, num_oov_buckets: int = 0, default_value: int = -1
) -> Any:
    from tensorflow.python.ops import lookup_ops

    return lookup_ops.index_table_from_tensor(
        mapping, num_oov_buckets=num_oov_buckets, default_value=default_value
    )

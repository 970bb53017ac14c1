"""Random augmentation that depends on a key alone, and not on the order of threads.

The API draws its random numbers from stateful ops. In a parallel `Dataset.map` the order of
those draws is that of the threads, so no run could be repeated or resumed exactly. Within
`keyed` the same functions draw from TensorFlow's stateless (counter-based, Salmon et al., 2011)
generators: the n-th draw of an example is a function of (key, n).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


@contextmanager
def keyed(tf: Any, key: Any) -> Iterator[None]:
    """While the block builds a graph, random ops draw from `key`, an int64 tensor of shape (2,)."""
    draws = 0

    def next_seed() -> Any:
        nonlocal draws
        draws += 1
        return tf.add(key, [0, draws << 40])

    def random_uniform(
        shape: Any,
        minval: Any = 0,
        maxval: Any = None,
        dtype: Any = tf.float32,
        seed: Any = None,
        name: str | None = None,
    ) -> Any:
        del seed
        # As tf.random_uniform has it: floats default to [0, 1).
        if maxval is None and not tf.as_dtype(dtype).is_integer:
            maxval = 1
        return tf.random.stateless_uniform(
            shape, next_seed(), minval=minval, maxval=maxval, dtype=dtype, name=name
        )

    def random_normal(
        shape: Any,
        mean: Any = 0.0,
        stddev: Any = 1.0,
        dtype: Any = tf.float32,
        seed: Any = None,
        name: str | None = None,
    ) -> Any:
        del seed
        return tf.random.stateless_normal(
            shape, next_seed(), mean=mean, stddev=stddev, dtype=dtype, name=name
        )

    def random_shuffle(value: Any, seed: Any = None, name: str | None = None) -> Any:
        del seed, name
        return tf.random.experimental.stateless_shuffle(value, next_seed())

    def sample_distorted_bounding_box(
        image_size: Any, bounding_boxes: Any, seed: Any = None, seed2: Any = None, **options: Any
    ) -> Any:
        del seed, seed2
        return tf.compat.v2.image.stateless_sample_distorted_bounding_box(
            image_size, bounding_boxes, seed=next_seed(), **options
        )

    from tensorflow.python.ops import random_ops

    # The API's names for the ops, and those that tf.image.random_* call.
    replaced = (
        (tf, "random_uniform", random_uniform),
        (tf.random, "uniform", random_uniform),
        (random_ops, "random_uniform", random_uniform),
        (tf, "random_normal", random_normal),
        (tf.random, "normal", random_normal),
        (random_ops, "random_normal", random_normal),
        (tf, "random_shuffle", random_shuffle),
        (tf.random, "shuffle", random_shuffle),
        (random_ops, "random_shuffle", random_shuffle),
        (tf.image, "sample_distorted_bounding_box", sample_distorted_bounding_box),
    )
    with ExitStack() as stack:
        for module, name, function in replaced:
            stack.enter_context(mock.patch.object(module, name, function))
        yield

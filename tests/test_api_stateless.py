"""`stateless.keyed`: augmentation that a key decides, and not the order of threads."""

from __future__ import annotations

import numpy as np
import pytest

from hand_detection.api import compat, stateless


@pytest.fixture(scope="module")
def tf():
    return compat.activate()


@pytest.fixture(autouse=True)
def own_graph(tf):
    with tf.Graph().as_default():
        yield


def draw(tf, build, key=(1, 2)):
    """What `build()` draws under `key`: fresh numbers of one session run."""
    with stateless.keyed(tf, tf.constant(key, tf.int64)):
        tensors = build()
    with tf.Session() as session:
        return session.run(tensors)


def picture(tf):
    return tf.reshape(tf.cast(tf.range(12), tf.float32) / 12, [2, 2, 3])


OPS = {
    "tf.random_uniform": lambda tf: tf.random_uniform([50]),
    "tf.random.uniform": lambda tf: tf.random.uniform([50]),
    "tf.random_normal": lambda tf: tf.random_normal([50]),
    "tf.random.normal": lambda tf: tf.random.normal([50]),
    "tf.random.shuffle": lambda tf: tf.random.shuffle(tf.range(50)),
    "tf.image.random_brightness": lambda tf: tf.image.random_brightness(tf.ones([2, 2, 3]), 0.9),
    "tf.image.random_hue": lambda tf: tf.image.random_hue(picture(tf), 0.5),
    "tf.image.random_saturation": lambda tf: tf.image.random_saturation(picture(tf), 0.1, 2.0),
    "tf.image.random_contrast": lambda tf: tf.image.random_contrast(picture(tf), 0.1, 2.0),
    "tf.random_shuffle": lambda tf: tf.random_shuffle(tf.range(50)),
    "tf.image.sample_distorted_bounding_box": lambda tf: tf.image.sample_distorted_bounding_box(
        [4000, 4000, 3], [[[0.1, 0.1, 0.9, 0.9]]], min_object_covered=0.1
    )[0],
}


@pytest.mark.parametrize("name", OPS)
def test_the_key_decides(tf, name):
    def once():
        return OPS[name](tf)

    first = draw(tf, once)
    assert np.array_equal(draw(tf, once), first)
    for other in ((1, 3), (2, 2), (2, 1), (0, 0), (-1, 2**62)):
        assert not np.array_equal(draw(tf, once, other), first)


@pytest.mark.parametrize("name", OPS)
def test_each_draw_has_numbers_of_its_own(tf, name):
    draws = draw(tf, lambda: [OPS[name](tf) for _ in range(4)])
    assert len({values.tobytes() for values in draws}) == 4


def test_a_seed_does_not_matter(tf):
    """The API hands its functions seeds; the key alone decides."""
    one = draw(tf, lambda: tf.random_uniform([9], seed=1))
    assert np.array_equal(draw(tf, lambda: tf.random_uniform([9], seed=2, name="named")), one)


def test_ranges_and_types_are_those_of_tensorflow(tf):
    def build():
        return {
            "default": tf.random_uniform([4000]),
            "range": tf.random_uniform([4000], -2.0, 3),
            "keyword": tf.random_uniform(shape=[4000], minval=5.0, maxval=6.0, dtype=tf.float64),
            "integer": tf.random_uniform([4000], minval=2, maxval=5, dtype=tf.int32),
            "scalar": tf.random_uniform([], maxval=4, dtype=tf.int64),
            "tensor": tf.random_uniform(tf.constant([2, 3]), 0.0, tf.constant(0.5)),
            "normal": tf.random_normal([4000], mean=10.0, stddev=2.0),
            "shuffled": tf.random_shuffle(tf.reshape(tf.range(40), [20, 2])),
        }

    found = draw(tf, build)
    shapes = {name: (values.shape, values.dtype.name) for name, values in found.items()}
    assert shapes == {
        "default": ((4000,), "float32"),
        "range": ((4000,), "float32"),
        "keyword": ((4000,), "float64"),
        "integer": ((4000,), "int32"),
        "scalar": ((), "int64"),
        "tensor": ((2, 3), "float32"),
        "normal": ((4000,), "float32"),
        "shuffled": ((20, 2), "int32"),
    }
    for name, low, high in (("default", 0, 1), ("range", -2, 3), ("keyword", 5, 6)):
        values = found[name]
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() < high
    assert set(found["integer"].tolist()) == {2, 3, 4}
    assert 0 <= found["scalar"] < 4
    assert abs(found["normal"].mean() - 10) < 0.2
    assert abs(found["normal"].std() - 2) < 0.1
    rows = found["shuffled"].tolist()
    assert sorted(rows) == [[2 * i, 2 * i + 1] for i in range(20)]
    assert rows != sorted(rows)


def test_integers_without_an_upper_bound_are_refused_as_ever(tf):
    with (
        stateless.keyed(tf, tf.constant([1, 2], tf.int64)),
        pytest.raises(ValueError, match="maxval"),
    ):
        tf.random_uniform([3], dtype=tf.int32)


def epoch(tf, threads: int, examples: int = 40) -> dict[int, bytes]:
    """Every example augmented by the API's own functions, in a parallel map."""
    from object_detection.core import preprocessor

    def augment(index):
        image = tf.reshape(tf.cast(tf.range(48), tf.float32) * 5, [1, 4, 4, 3])
        boxes = tf.constant([[0.1, 0.2, 0.5, 0.6]])
        with stateless.keyed(tf, tf.stack([index, tf.constant(7, tf.int64)])):
            tensors = preprocessor.preprocess(
                {"image": image, "groundtruth_boxes": boxes},
                [
                    (preprocessor.random_horizontal_flip, {}),
                    (preprocessor.random_adjust_brightness, {}),
                    (preprocessor.random_adjust_contrast, {}),
                    (preprocessor.random_image_scale, {}),
                ],
            )
        scaled = tf.reduce_mean(tensors["image"], axis=[0, 1, 2])
        shape = tf.cast(tf.shape(tensors["image"]), tf.float32)
        return index, tf.concat([scaled, shape, tensors["groundtruth_boxes"][0]], 0)

    with tf.Graph().as_default():
        dataset = tf.data.Dataset.range(examples).map(augment, num_parallel_calls=threads)
        options = tf.data.Options()
        options.deterministic = False
        batch = tf.data.make_one_shot_iterator(
            dataset.with_options(options).batch(examples)
        ).get_next()
        with tf.Session() as session:
            indices, values = session.run(batch)
    return {int(index): row.tobytes() for index, row in zip(indices, values, strict=True)}


def test_the_number_of_threads_does_not_matter(tf):
    alone = epoch(tf, 1)
    assert len(set(alone.values())) == len(alone) == 40
    assert epoch(tf, 2) == alone
    assert epoch(tf, 8) == alone


def test_the_names_are_restored_also_after_an_exception(tf):
    from tensorflow.python.ops import random_ops

    def names():
        return (
            tf.random_uniform,
            tf.random.uniform,
            tf.random_normal,
            tf.random.normal,
            tf.random_shuffle,
            tf.random.shuffle,
            random_ops.random_uniform,
            random_ops.random_normal,
            random_ops.random_shuffle,
            tf.image.sample_distorted_bounding_box,
        )

    before = names()
    with stateless.keyed(tf, tf.constant([1, 2], tf.int64)):
        assert not set(names()) & set(before)
    assert names() == before
    with (
        pytest.raises(ZeroDivisionError),
        stateless.keyed(tf, tf.constant([1, 2], tf.int64)),
    ):
        raise ZeroDivisionError
    assert names() == before

"""What stands in for tf.contrib and tf.estimator."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

from hand_detection.api import compat
from hand_detection.paths import ROOT


@pytest.fixture(scope="module")
def tf():
    return compat.activate()


@pytest.fixture(autouse=True)
def own_graph(tf):
    with tf.Graph().as_default():
        yield


def brute_force(distances: np.ndarray, rows: int) -> list[int]:
    """The definition: again and again the smallest distance left, its row and column taken."""
    left = distances[:rows].astype(float).copy()
    partner = [-1] * len(distances)
    while left.size and np.isfinite(left.min()):
        row, column = np.unravel_index(left.argmin(), left.shape)
        partner[row] = int(column)
        left[row, :] = np.inf
        left[:, column] = np.inf
    return partner


def test_bipartite_match_takes_the_nearest_pair_first(tf):
    """Not the smallest sum: that would be 1 + 1, with (0, 0) given up."""
    rows, columns = tf.contrib.image.bipartite_match(tf.constant([[0.0, 1.0], [1.0, 9.0]]), -1.0)
    with tf.Session() as session:
        assert [a.tolist() for a in session.run((rows, columns))] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7), (1, 5), (5, 1), (0, 3), (3, 0)])
def test_bipartite_match_is_greedy(tf, shape):
    from tensorflow.contrib.image.python.ops import image_ops

    distances = tf.placeholder(tf.float32, shape)
    valid = tf.placeholder(tf.float32, [])
    match = image_ops.bipartite_match(distances, valid)
    assert [output.shape.as_list() for output in match] == [[shape[0]], [shape[1]]]
    random = np.random.default_rng(0)
    with tf.Session() as session:
        for count in (-1, 0, 1, 2, shape[0], shape[0] + 3):
            # Two decimals: with ties among them.
            values = random.random(shape).round(2).astype(np.float32)
            rows, columns = session.run(match, {distances: values, valid: count})
            taken = shape[0] if count < 0 else min(count, shape[0])
            assert rows.tolist() == brute_force(values, taken)
            for row, column in enumerate(rows):
                assert column < 0 or columns[column] == row
            assert (columns >= 0).sum() == (rows >= 0).sum() == min(taken, shape[1])


def test_the_matcher_of_the_api_runs_on_it(tf):
    from object_detection.matchers import bipartite_matcher

    similarity = tf.constant([[0.5, 0.1, 0.8], [0.15, 0.2, 0.3]])
    matcher = bipartite_matcher.GreedyBipartiteMatcher()
    match = matcher.match(similarity, tf.constant([True, True]))
    with tf.Session() as session:
        assert session.run(match.match_results).tolist() == [-1, 1, 0]


IMPORTS = """
import tensorflow.contrib
import tensorflow.contrib.slim as slim
from tensorflow.contrib import slim as slim_again
from tensorflow.contrib import tpu
from tensorflow.contrib import quantize
from tensorflow.contrib import layers as contrib_layers
from tensorflow.contrib.framework import arg_scope, nest
from tensorflow.contrib.image.python.ops import image_ops
from tensorflow.contrib.layers import variance_scaling_initializer
from tensorflow.contrib.quantize.python import graph_matcher
from tensorflow.contrib.training import HParams
from tensorflow.contrib.tpu.python.tpu import tpu_config, tpu_estimator
"""
NAMES = """
slim.conv2d slim.arg_scope slim.learning slim.queues.QueueRunners slim.parallel_reader
slim.tfexample_decoder.Tensor slim.tfexample_decoder.BoundingBox slim.tfexample_decoder.Image
slim.get_or_create_global_step slim.get_variables_to_restore slim.batch_norm
slim.assign_from_checkpoint_fn
framework.arg_scope framework.add_arg_scope framework.is_tensor framework.filter_variables
framework.get_variables framework.get_variables_by_name framework.model_variable
framework.deprecated framework.nest.flatten framework.nest.map_structure
layers.optimize_loss layers.l1_regularizer layers.l2_regularizer layers.fully_connected
layers.flatten layers.softmax layers.group_norm layers.summarize_collection layers.conv2d
layers.variance_scaling_initializer layers.batch_norm
lookup.HashTable lookup.KeyValueTensorInitializer lookup.index_table_from_tensor
data.parallel_interleave data.batch_and_drop_remainder
training.HParams training.checkpoints_iterator opt.MovingAverageOptimizer
image.bipartite_match tfprof.model_analyzer.print_model_analysis
tfprof.model_analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS
"""


@pytest.mark.parametrize("line", IMPORTS.strip().splitlines())
def test_every_way_to_import_works(tf, line):
    exec(line, {})


@pytest.mark.parametrize("name", NAMES.split())
def test_every_name_that_the_api_uses_is_there(tf, name):
    found = tf.contrib
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


def test_contrib_is_one_and_the_same_by_name_and_by_import(tf):
    modules = [importlib.import_module(f"tensorflow.contrib.{n}") for n in ("slim", "layers")]
    assert modules == [tf.contrib.slim, tf.contrib.layers]
    assert importlib.import_module("tensorflow.contrib") is tf.contrib
    from hand_detection.api import contrib

    assert contrib.install() is tf.contrib


def test_what_cannot_be_had_says_so_when_it_is_used(tf):
    from tensorflow.contrib.quantize.python import graph_matcher

    for use, named in (
        (lambda: graph_matcher.OpTypePattern("Conv2D"), "graph_rewriter"),
        (lambda: tf.contrib.quantize.experimental_create_training_graph(), "graph_rewriter"),
        (lambda: tf.contrib.tpu.TPUEstimatorSpec(mode="train"), "TPU"),
        (lambda: tf.contrib.learn.Experiment(), "train.sh"),
        (lambda: tf.contrib.image.bipartite_match([[1.0]], -1, top_k=2), "top_k"),
    ):
        with pytest.raises(NotImplementedError, match=named):
            use()
    with pytest.raises(NotImplementedError, match=r"train\.sh"):
        tf.estimator.Estimator(lambda: None)


def test_absent_names_are_absent_to_python(tf):
    """hasattr, copy and inspect probe for dunder names, and must not be told a story."""
    assert not hasattr(tf.contrib.tpu, "__wrapped__")
    assert not hasattr(tf.estimator, "__wrapped__")
    assert not hasattr(tf.contrib, "no_such_module")


def test_is_tensor(tf):
    is_tensor = tf.contrib.framework.is_tensor
    variable = tf.Variable(1.0)
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    assert [is_tensor(x) for x in (tf.constant(1), variable, sparse)] == [True] * 3
    assert not any(is_tensor(x) for x in (1, [1.0], np.zeros(2), None, "a"))


def test_hparams(tf):
    hparams = tf.contrib.training.HParams(load_pretrained=True, steps=3)
    assert hparams.load_pretrained is True
    assert hparams.values() == {"load_pretrained": True, "steps": 3}
    hparams.values()["steps"] = 4
    assert hparams.steps == 3
    assert hparams.override_from_dict({"steps": 5}).steps == 5
    hparams.set_hparam("steps", 6)
    hparams.add_hparam("new", "x")
    assert (hparams.steps, hparams.new) == (6, "x")
    assert hparams.parse("") is hparams
    with pytest.raises(KeyError):
        hparams.set_hparam("stepz", 1)
    with pytest.raises(NotImplementedError, match="--set"):
        hparams.parse("steps=7")


def elements(tf, dataset) -> list:
    element = tf.data.make_one_shot_iterator(dataset).get_next()
    found = []
    with tf.Session() as session, pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session.run(element).tolist())
    return found


@pytest.mark.parametrize("sloppy", [False, True])
def test_parallel_interleave_reads_every_file_once(tf, sloppy):
    def read(n):
        return tf.data.Dataset.range(10 * n, 10 * n + 4)

    interleave = tf.contrib.data.parallel_interleave(
        read, cycle_length=2, block_length=2, sloppy=sloppy
    )
    found = elements(tf, tf.data.Dataset.range(3).apply(interleave))
    assert sorted(found) == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    if not sloppy:
        assert found == [0, 1, 10, 11, 2, 3, 12, 13, 20, 21, 22, 23]


def test_batch_and_drop_remainder(tf):
    dataset = tf.data.Dataset.range(5).apply(tf.contrib.data.batch_and_drop_remainder(2))
    assert dataset.element_spec.shape.as_list() == [2]
    assert elements(tf, dataset) == [[0, 1], [2, 3]]


def test_lookup_tables(tf):
    lookup = tf.contrib.lookup
    table = lookup.HashTable(
        initializer=lookup.KeyValueTensorInitializer(
            keys=tf.constant(["hand", "foot"]), values=tf.constant([1, 2], tf.int64)
        ),
        default_value=-1,
    )
    index = lookup.index_table_from_tensor(["hand", "foot"], default_value=7)
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        words = tf.constant(["foot", "hand", "nose"])
        assert session.run(table.lookup(words)).tolist() == [2, 1, -1]
        assert session.run(index.lookup(words)).tolist() == [1, 0, 7]


def test_estimator_names(tf):
    from hand_detection.api import estimator

    modes = tf.estimator.ModeKeys
    assert (modes.TRAIN, modes.EVAL, modes.PREDICT) == ("train", "eval", "infer")
    spec = tf.estimator.EstimatorSpec(mode=modes.EVAL, loss=1.0, eval_metric_ops={"a": (1, 2)})
    assert isinstance(spec, estimator.EstimatorSpec)
    assert (spec.mode, spec.loss, spec.train_op, spec.scaffold) == ("eval", 1.0, None, None)
    assert tf.estimator.export.PredictOutput({"a": 1}).outputs == {"a": 1}
    receiver = tf.estimator.export.ServingInputReceiver({"image": 1}, {"input": 2})
    assert (receiver.features, receiver.receiver_tensors) == ({"image": 1}, {"input": 2})
    assert receiver.receiver_tensors_alternatives is None


def test_an_api_that_is_not_installed_is_named_before_tensorflow_loads(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from hand_detection.api import compat\n"
        "try:\n"
        f"    compat.activate(pathlib.Path({str(tmp_path)!r}))\n"
        "finally:\n"
        "    assert 'tensorflow' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.strip().endswith("is not installed: run ./install.sh first")

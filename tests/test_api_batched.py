"""Target assignment and hard example mining for a whole batch: what the API's own code returns."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from hand_detection import pipeline
from hand_detection.api import batched_mining, batched_targets, compat

MODEL = "ssd_mobilenet_v1_quick"
# Hands in each image: none at the start, in the middle and at the end among them.
COUNTS = ((0, 3, 1, 0, 4, 2, 0), (1, 2), (0, 0, 0))
THRESHOLDS = (
    {"matched_threshold": 0.5, "force_match_for_each_row": True},
    {"matched_threshold": 0.5},
    {"matched_threshold": 0.7, "unmatched_threshold": 0.3, "force_match_for_each_row": True},
    {
        "matched_threshold": 0.6,
        "unmatched_threshold": 0.2,
        "negatives_lower_than_unmatched": False,
    },
    {"matched_threshold": None},
)


@pytest.fixture(scope="module")
def tf():
    return compat.activate()


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Normalized ymin, xmin, ymax, xmax, float32 (count, 4)."""
    low = rng.uniform(0, 0.7, (count, 2))
    return np.concatenate([low, low + rng.uniform(0.05, 0.3, (count, 2))], 1).astype(np.float32)


def anchors() -> np.ndarray:
    """Square anchors on two grids; a hand may lie equally well on several of them."""
    grids = []
    for side, size in ((16, 0.15), (8, 0.3)):
        y, x = (np.mgrid[:side, :side].reshape(2, -1) + 0.5) / side
        grids.append(np.stack([y - size / 2, x - size / 2, y + size / 2, x + size / 2], 1))
    return np.concatenate(grids).astype(np.float32)


def assigned(tf, assign, truth, labels, weights, thresholds, similarity="iou"):
    """The five arrays of `assign`, fed with ground truth of unknown lengths."""
    from object_detection.box_coders import faster_rcnn_box_coder
    from object_detection.core import box_list, region_similarity_calculator, target_assigner
    from object_detection.matchers import argmax_matcher

    calculator = {
        "iou": region_similarity_calculator.IouSimilarity(),
        "thresholded": region_similarity_calculator.ThresholdedIouSimilarity(0.3),
    }[similarity]
    coder = faster_rcnn_box_coder.FasterRcnnBoxCoder([10.0, 10.0, 5.0, 5.0])
    matcher = argmax_matcher.ArgMaxMatcher(**thresholds)
    assigner = target_assigner.TargetAssigner(calculator, matcher, coder, 0.75)
    classes = labels[0].shape[1]

    def placeholders(arrays):
        return [tf.placeholder(tf.float32, [None, *array.shape[1:]]) for array in arrays]

    with tf.Graph().as_default() as graph, tf.Session() as session:
        fed = placeholders(truth), placeholders(labels), placeholders(weights or [])
        result = assign(
            assigner,
            box_list.BoxList(tf.constant(anchors())),
            [box_list.BoxList(tensor) for tensor in fed[0]],
            fed[1],
            tf.constant([1.0] + (classes - 1) * [0.0]),
            fed[2] if weights else None,
        )
        assert [tensor.shape[:2].as_list() for tensor in result] == 5 * [[len(truth), 320]]
        arrays = (*truth, *labels, *(weights or []))
        feed = dict(zip([*fed[0], *fed[1], *fed[2]], arrays, strict=True))
        return session.run(result, feed), len(graph.get_operations())


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("thresholds", THRESHOLDS)
def test_targets_weights_and_matches_are_the_apis_own(tf, counts, thresholds):
    from object_detection.core import target_assigner

    api = target_assigner.batch_assign_targets
    ours = batched_targets.batch_assign_targets(api)
    rng = np.random.default_rng(sum(counts))
    truth = [boxes(rng, count) for count in counts]
    for image in truth[1::2]:
        image[1:2] = image[:1]  # twice the same box
    labels = [np.eye(4, dtype=np.float32)[rng.integers(1, 4, count)] for count in counts]
    some = [rng.choice([0, 0.5, 1], count).astype(np.float32) for count in counts]
    weights = some if len(counts) == 7 else None
    expected, api_ops = assigned(tf, api, truth, labels, weights, thresholds)
    found, our_ops = assigned(tf, ours, truth, labels, weights, thresholds)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert np.array_equal(found[4], expected[4])
    if "force_match_for_each_row" in thresholds:
        assert (found[4] >= 0).any() == any(counts)
    if len(counts) == 7:
        assert our_ops < api_ops / 3


def test_a_similarity_that_looks_at_the_labels_is_served_too(tf):
    from object_detection.core import target_assigner

    api = target_assigner.batch_assign_targets
    rng = np.random.default_rng(5)
    truth = [boxes(rng, 3), boxes(rng, 2)]
    labels = [rng.uniform(0, 1, (len(image), 2)).astype(np.float32) for image in truth]
    arguments = (truth, labels, None, THRESHOLDS[0], "thresholded")
    expected, _ = assigned(tf, api, *arguments)
    found, _ = assigned(tf, batched_targets.batch_assign_targets(api), *arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_not_served_is_left_to_the_api(tf):
    from object_detection.box_coders import faster_rcnn_box_coder
    from object_detection.core import box_list, region_similarity_calculator, target_assigner
    from object_detection.matchers import argmax_matcher, bipartite_matcher

    def assigner(matcher):
        calculator = region_similarity_calculator.IouSimilarity()
        coder = faster_rcnn_box_coder.FasterRcnnBoxCoder()
        return target_assigner.TargetAssigner(calculator, matcher, coder)

    def api(
        target_assigner,
        anchors_batch,
        gt_box_batch,
        gt_class_targets_batch,
        unmatched_class_label=None,
        gt_weights_batch=None,
    ):
        return "api"

    ours = batched_targets.batch_assign_targets(api)
    with tf.Graph().as_default():
        argmax = assigner(argmax_matcher.ArgMaxMatcher(0.5))
        fixed = box_list.BoxList(tf.constant(anchors()))

        def truth(rows=None):
            return [box_list.BoxList(tf.placeholder(tf.float32, [rows, 4]))]

        labels, unmatched = [tf.placeholder(tf.float32, [None, 2])], tf.constant([1.0, 0.0])
        served = ours(argmax, fixed, truth(), labels, unmatched)
        assert len(served) == 5
        assert (
            ours(
                assigner(bipartite_matcher.GreedyBipartiteMatcher()),
                fixed,
                truth(),
                labels,
                unmatched,
            )
            == "api"
        )
        assert ours(argmax, [fixed], truth(), labels, unmatched) == "api"
        assert ours(argmax, fixed, truth(), [None], unmatched) == "api"
        assert ours(argmax, fixed, truth(), labels) == "api"
        assert ours(argmax, fixed, truth(10**6), labels, unmatched) == "api"
        with_keypoints = truth()
        with_keypoints[0].add_field("keypoints", tf.zeros([0, 5, 2]))
        assert ours(argmax, fixed, with_keypoints, labels, unmatched) == "api"

    def older(target_assigner, anchors_batch, gt_box_batch, gt_class_targets_batch, weights=None):
        return "api"

    assert batched_targets.batch_assign_targets(older) is older


MINERS = (
    {"loss_type": "cls", "max_negatives_per_positive": 3, "num_hard_examples": 3000},
    {"loss_type": "loc", "max_negatives_per_positive": 1.5, "num_hard_examples": 40},
    {"loss_type": "both", "num_hard_examples": None},
    {"loss_type": "cls", "max_negatives_per_positive": 2, "min_negatives_per_image": 5},
    {"loss_type": "cls", "max_negatives_per_positive": 0},
)


@pytest.mark.parametrize("options", MINERS)
def test_mined_losses_gradients_and_counts_are_the_apis_own(tf, options):
    from object_detection.core import box_list, losses, matcher

    rng = np.random.default_rng(3)
    images, count = 5, 320
    decoded = anchors() + rng.normal(0, 1e-4, (images, count, 4)).astype(np.float32)
    decoded[:, 1::2] = decoded[:, ::2] * np.float32(1.0005)  # neighbours that are all but equal
    values = rng.exponential(1, (2, images, count)).astype(np.float32)
    match = rng.choice([-2, -1, -1, -1, -1, 0, 1], (images, count)).astype(np.int32)
    match[2] = -1  # an image without a hand
    api = losses.HardExampleMiner.__call__
    results = []
    for mine in (api, batched_mining.hard_example_miner(api)):
        with tf.Graph().as_default(), tf.Session() as session:
            miner = losses.HardExampleMiner(iou_threshold=0.99, **options)
            location, cls = (tf.constant(array) for array in values)
            total = mine(
                miner,
                location,
                cls,
                [box_list.BoxList(tf.constant(image)) for image in decoded],
                [matcher.Match(tf.constant(image)) for image in match],
            )
            lists = (miner._num_positives_list, miner._num_negatives_list)
            counts = [tf.reduce_mean(tf.cast(found, tf.float32)) for found in lists if found]
            gradients = tf.gradients(total[0] + 2 * total[1], [location, cls])
            results.append(session.run([total, counts, gradients]))
    (expected, counts, gradients), (found, our_counts, our_gradients) = results
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert our_counts == counts
    assert np.array_equal(our_gradients, gradients)
    assert 0 < np.count_nonzero(gradients[0]) < images * count


def test_a_low_threshold_is_left_to_the_api(tf):
    from object_detection.core import losses

    miner = losses.HardExampleMiner(iou_threshold=0.6)
    assert batched_mining.hard_example_miner(lambda *_: "api")(miner, None, None, []) == "api"


def test_a_detectors_losses_and_gradients_are_the_apis_own(tf):
    """ssd_mobilenet_v1's loss on a batch, by the API alone and with both replacements."""
    from object_detection.builders import model_builder
    from object_detection.core import losses, target_assigner

    proto = pipeline.load(MODEL).proto
    rng = np.random.default_rng(8)
    counts = (2, 0, 4)
    truth = [boxes(rng, count) for count in counts]
    images = rng.uniform(-1, 1, (len(counts), 300, 300, 3)).astype(np.float32)
    api = target_assigner.batch_assign_targets, losses.HardExampleMiner.__call__
    ours = (
        batched_targets.batch_assign_targets(api[0]),
        batched_mining.hard_example_miner(api[1]),
    )
    results = []
    for assign, mine in (api, ours):
        with (
            mock.patch.object(target_assigner, "batch_assign_targets", assign),
            mock.patch.object(losses.HardExampleMiner, "__call__", mine),
            tf.Graph().as_default() as graph,
            tf.Session() as session,
        ):
            tf.set_random_seed(1)
            model = model_builder.build(proto.model, is_training=True, add_summaries=False)
            fed = [tf.placeholder(tf.float32, [None, 4]) for _ in counts]
            model.provide_groundtruth(
                fed,
                [tf.ones([tf.shape(image)[0], 1]) for image in fed],
                groundtruth_weights_list=[tf.ones([tf.shape(image)[0]]) for image in fed],
            )
            shapes = tf.constant(len(counts) * [[300, 300, 3]])
            predicted = model.predict(tf.constant(images), shapes)
            loss = model.loss(predicted, shapes)
            gradients = tf.gradients(list(loss.values()), tf.trainable_variables())
            session.run(tf.global_variables_initializer())
            values = session.run([loss, gradients], dict(zip(fed, truth, strict=True)))
            results.append((*values, len(graph.get_operations())))
    (expected, gradients, api_ops), (found, our_gradients, our_ops) = results
    for name, value in expected.items():
        assert value > 0
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    for one, other in zip(our_gradients, gradients, strict=True):
        assert np.linalg.norm(one - other) <= 1e-4 * np.linalg.norm(other)
    # The random network is dead in places, where no gradient comes through.
    assert sum(gradient.any() for gradient in gradients) > len(gradients) / 2
    assert our_ops < api_ops

"""Target assignment for a whole batch at once, in place of the API's graph for every image.

`object_detection.core.target_assigner.batch_assign_targets` builds some 400 ops for each image of
the batch. Here the ground truth boxes of all images stand in one list, a row each, so that the
API's own similarity, box coder and gathers run once; only its ArgMaxMatcher is written anew, on
rows of many images (Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

# Of the similarity matrix, where its rows are known beforehand: that is, where ground truth is
# padded, and most rows are there for nothing. 2**25 floats are 128 MB, and several are alive.
LARGEST_PADDED = 2**25


def batch_assign_targets(original: Callable[..., Any]) -> Callable[..., Any]:
    """A `target_assigner.batch_assign_targets` that works on all images at once.

    What it returns equals what `original` returns. `original` is called for what is not
    served here: another matcher than ArgMaxMatcher, anchors that differ from image to image
    (Faster R-CNN's proposals), keypoints, class labels left out, padded ground truth that would
    need too much memory, or a tree of the API where the function takes other arguments.
    """

    def batched(
        target_assigner: Any,
        anchors_batch: Any,
        gt_box_batch: Sequence[Any],
        gt_class_targets_batch: Sequence[Any],
        unmatched_class_label: Any = None,
        gt_weights_batch: Sequence[Any] | None = None,
    ) -> tuple[Any, Any, Any, Any, Any]:
        arguments = (
            target_assigner,
            anchors_batch,
            gt_box_batch,
            gt_class_targets_batch,
            unmatched_class_label,
            gt_weights_batch,
        )
        return _assign(*arguments) if _served(*arguments) else original(*arguments)

    known = list(inspect.signature(batched).parameters)
    return batched if list(inspect.signature(original).parameters) == known else original


def _served(
    assigner: Any, anchors: Any, boxes: Sequence[Any], labels: Any, unmatched: Any, weights: Any
) -> bool:
    from object_detection.core import box_list
    from object_detection.matchers import argmax_matcher

    matcher = assigner._matcher
    if type(matcher) is not argmax_matcher.ArgMaxMatcher or matcher._use_matmul_gather:
        return False
    if not isinstance(anchors, box_list.BoxList) or unmatched is None:
        return False
    if len(boxes) != len(labels) or any(label is None for label in labels):
        return False
    if weights is not None and any(weight is None for weight in weights):
        return False
    if any(image.get_extra_fields() for image in boxes):
        return False
    rows = [image.num_boxes_static() for image in boxes]
    columns = anchors.num_boxes_static()
    padded = columns is not None and None not in rows
    return not padded or sum(rows) * columns <= LARGEST_PADDED


def _assign(
    assigner: Any, anchors: Any, boxes: Sequence[Any], labels: Any, unmatched: Any, weights: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """The five tensors that `batch_assign_targets` documents, (batch, anchors, ...) each."""
    from object_detection.core import box_list
    from object_detection.core import standard_fields as fields

    from hand_detection.api import compat

    tf = compat.activate()
    with tf.name_scope("BatchedTargets"):
        counts = tf.stack([image.num_boxes() for image in boxes])
        offsets = tf.cumsum(counts, exclusive=True)
        all_boxes = tf.concat([image.get() for image in boxes], 0)
        all_labels = tf.concat(list(labels), 0)
        all_weights = (
            tf.ones([tf.shape(all_boxes)[0]]) if weights is None else tf.concat(weights, 0)
        )

        truth = box_list.BoxList(all_boxes)
        # One of the similarities, ThresholdedIouSimilarity, asks for it.
        truth.add_field(fields.BoxListFields.scores, 1 - all_labels[:, 0])
        similarity = assigner._similarity_calc.compare(truth, anchors)
        match = _match(tf, assigner._matcher, similarity, all_weights > 0, counts, offsets)

        # Rows 0 and 1 of what is gathered from stand for ignored (-2) and unmatched (-1) anchors.
        rows = tf.where(match >= 0, match + offsets[:, tf.newaxis], match) + 2
        unmatched = tf.convert_to_tensor(unmatched)
        cls_targets = tf.gather(tf.concat([[unmatched, unmatched], all_labels], 0), rows)
        reg_weights = tf.gather(tf.concat([[0.0, 0.0], all_weights], 0), rows)
        negative = float(assigner._negative_class_weight)
        cls_weights = tf.gather(tf.concat([[0.0, negative], all_weights], 0), rows)
        for _ in cls_targets.shape[2:]:
            cls_weights = cls_weights[..., tf.newaxis]
        cls_weights = tf.broadcast_to(cls_weights, tf.shape(cls_targets))

        # Only matched anchors, some 1 in 100, have a box to regress to.
        matched = tf.where(match >= 0)
        codes = assigner.box_coder.encode(
            box_list.BoxList(tf.gather(all_boxes, tf.gather_nd(rows, matched) - 2)),
            box_list.BoxList(tf.gather(anchors.get(), matched[:, 1])),
        )
        size = assigner.box_coder.code_size
        shape = tf.concat([tf.shape(match), [size]], 0)
        reg_targets = tf.scatter_nd(matched, codes, tf.cast(shape, tf.int64))

    known = [len(boxes), anchors.num_boxes_static()]
    match.set_shape(known)
    reg_weights.set_shape(known)
    reg_targets.set_shape([*known, size])
    cls_targets.set_shape(known + unmatched.shape.as_list())
    cls_weights.set_shape(cls_targets.shape)
    return cls_targets, cls_weights, reg_targets, reg_weights, match


def _match(tf: Any, matcher: Any, similarity: Any, valid: Any, counts: Any, offsets: Any) -> Any:
    """What ArgMaxMatcher finds for each image.

    Args:
        tf: TensorFlow.
        matcher: the ArgMaxMatcher.
        similarity: float32 (rows, anchors); the rows of image 0 first, then those of image 1.
        valid: bool (rows,): which rows must have an anchor, if any must.
        counts: int32 (batch,): how many rows an image has.
        offsets: int32 (batch,): its first row.

    Returns:
        int32 (batch, anchors): the row, counted within its image; -1: background; -2: ignored.
    """
    total, columns = tf.shape(similarity)[0], tf.shape(similarity)[1]
    batch = counts.shape[0]
    row = tf.range(total)
    image = tf.repeat(tf.range(batch), counts)
    best = tf.math.unsorted_segment_max(similarity, image, batch)
    is_best = tf.equal(similarity, tf.gather(best, image))
    # The first of equals, as argmax has it.
    first = tf.where(
        is_best, tf.tile(row[:, tf.newaxis], [1, columns]), tf.fill([total, columns], total)
    )
    found = tf.math.unsorted_segment_min(first, image, batch) - offsets[:, tf.newaxis]
    background, ignored = -tf.ones_like(found), -2 * tf.ones_like(found)
    if matcher._matched_threshold is not None:
        low, between = background, ignored
        if not matcher._negatives_lower_than_unmatched:
            low, between = between, low
        found = tf.where(best >= matcher._matched_threshold, found, between)
        found = tf.where(best < matcher._unmatched_threshold, low, found)
    if matcher._force_match_for_each_row:
        column = tf.argmax(similarity, 1, output_type=tf.int32)
        places = tf.boolean_mask(tf.stack([image, column], 1), valid)
        nobody = tf.fill([batch, columns], total)
        forced = tf.tensor_scatter_nd_min(nobody, places, tf.boolean_mask(row, valid))
        found = tf.where(forced < total, forced - offsets[:, tf.newaxis], found)
    empty = tf.tile(tf.equal(counts, 0)[:, tf.newaxis], [1, columns])
    return tf.where(empty, background, found)

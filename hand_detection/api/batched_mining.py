"""Hard example mining for a whole batch at once, in place of the API's graph for every image.

`object_detection.core.losses.HardExampleMiner` runs NMS on the anchors of each image, worst loss
first, and keeps so many negatives for each positive (Liu et al., "SSD: Single Shot MultiBox
Detector", 2016). Which anchors it keeps is found here in one call for all images; the sums and
their gradients stay TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hand_detection.api import nms


def keep(
    losses: np.ndarray,
    boxes: np.ndarray,
    match: np.ndarray | None,
    *,
    count: int,
    threshold: float,
    negatives: float | None,
    at_least: int,
) -> np.ndarray:
    """Which anchors the miner keeps.

    Args:
        losses: float32 (batch, anchors), by which anchors are hard.
        boxes: float32 (batch, anchors, 4), decoded: ymin, xmin, ymax, xmax.
        match: int32 (batch, anchors): at least 0 is positive, -1 negative, -2 ignored.
        count: how many an image keeps at most, before negatives are limited.
        threshold: of the IoU; of two anchors above it the easier one is dropped.
        negatives: how many negatives for each positive at most; None: any number.
        at_least: how many negatives an image may keep in any case.

    Returns:
        bool (batch, anchors).
    """
    kept = np.zeros(losses.shape, bool)
    for number, (image_losses, image_boxes) in enumerate(zip(losses, boxes, strict=True)):
        chosen = nms.select(image_boxes, image_losses, count, threshold)
        if negatives is not None and match is not None:
            matched = match[number][chosen]
            allowed = max(at_least, int(np.float32(negatives) * np.float32((matched >= 0).sum())))
            chosen = chosen[(matched >= 0) | (np.cumsum(matched == -1) <= allowed)]
        kept[number, chosen] = True
    return kept


def hard_example_miner(original: Callable[..., Any]) -> Callable[..., Any]:
    """A `HardExampleMiner.__call__` for all images at once.

    The two losses that it returns equal those of `original` but for the order of summing up.
    `original` is called where the IoU threshold is low: there TensorFlow's NMS serves well.
    """

    def mine(
        miner: Any,
        location_losses: Any,
        cls_losses: Any,
        decoded_boxlist_list: Sequence[Any],
        match_list: Sequence[Any] | None = None,
    ) -> tuple[Any, Any]:
        from hand_detection.api import compat

        if miner._iou_threshold < nms.HIGH:
            return original(miner, location_losses, cls_losses, decoded_boxlist_list, match_list)
        tf = compat.activate()
        losses = cls_losses
        if miner._loss_type == "loc":
            losses = location_losses
        elif miner._loss_type == "both":
            losses = cls_losses * miner._cls_loss_weight + location_losses * miner._loc_loss_weight
        boxes = tf.stack([image.get() for image in decoded_boxlist_list])
        limited = bool(miner._max_negatives_per_positive is not None and match_list)
        arrays = [losses, boxes]
        if limited:
            arrays.append(tf.stack([image.match_results for image in match_list]))
        count = miner._num_hard_examples

        def chosen(losses: np.ndarray, boxes: np.ndarray, match: Any = None) -> np.ndarray:
            return keep(
                losses,
                boxes,
                match,
                count=losses.shape[1] if count is None else count,
                threshold=miner._iou_threshold,
                negatives=miner._max_negatives_per_positive,
                at_least=miner._min_negatives_per_image,
            )

        kept = tf.numpy_function(chosen, arrays, tf.bool, stateful=False, name="HardExamples")
        kept.set_shape(cls_losses.shape)
        if limited and miner._max_negatives_per_positive:
            positive = tf.logical_and(kept, arrays[2] >= 0)
            # `summarize` takes the mean of each list.
            positives = tf.reduce_sum(tf.cast(positive, tf.int32), 1)
            miner._num_positives_list = [positives]
            miner._num_negatives_list = [tf.reduce_sum(tf.cast(kept, tf.int32), 1) - positives]
        nothing = tf.zeros_like(losses)
        return (
            tf.reduce_sum(tf.where(kept, location_losses, nothing)),
            tf.reduce_sum(tf.where(kept, cls_losses, nothing)),
        )

    return mine

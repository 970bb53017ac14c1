"""Non-maximum suppression at a high threshold, as hard example mining asks for it, but quick.

SSD's hard example miner calls NMS once an image, on every anchor, at an IoU of 0.99: it drops
only boxes that are all but the same. TensorFlow's kernel compares each box with every box kept
so far, millions of pairs; here a k-d tree finds the few pairs near enough to matter.
"""

from __future__ import annotations

import numpy as np

HIGH = 0.9  # below it, near pairs are many and TensorFlow's kernel serves well


def select(boxes: np.ndarray, scores: np.ndarray, count: int, threshold: float) -> np.ndarray:
    """The boxes that `tf.image.non_max_suppression` selects, in its order.

    Args:
        boxes: float32 (N, 4), ymin, xmin, ymax, xmax in any one unit.
        scores: float32 (N,).
        count: how many to select at most.
        threshold: of the IoU; a box that has more than this with a selected one is dropped.

    Returns:
        int32 (M,): indices into `boxes`, best score first, the lower index first among equals.
    """
    order = np.argsort(-scores, kind="stable").astype(np.int32)
    # A box has its opposite corners in any order, as the kernel takes it.
    low = np.minimum(boxes[:, :2], boxes[:, 2:])
    high = np.maximum(boxes[:, :2], boxes[:, 2:])
    with np.errstate(over="ignore", invalid="ignore"):  # a training that diverges has such boxes
        sides = high - low
        area = sides[:, 0] * sides[:, 1]
    solid = np.flatnonzero((area > 0) & np.isfinite(area) & np.isfinite(boxes).all(1))
    if len(solid) < 2:
        return order[:count]
    pairs = _near_pairs(low[solid], high[solid], threshold)
    one, other = solid[pairs[:, 0]], solid[pairs[:, 1]]
    inner = np.minimum(high[one], high[other]) - np.maximum(low[one], low[other])
    intersection = inner.clip(0).prod(1)
    alike = intersection / (area[one] + area[other] - intersection) > np.float32(threshold)
    one, other = one[alike], other[alike]
    if not len(one):
        return order[:count]

    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    first = np.where(rank[one] < rank[other], one, other)
    second = np.where(rank[one] < rank[other], other, one)
    dropped = np.zeros(len(order), bool)
    # From the best box on: one that is dropped itself drops nothing.
    for place in np.argsort(rank[first], kind="stable"):
        if not dropped[first[place]]:
            dropped[second[place]] = True
    return order[~dropped[order]][:count]


def _near_pairs(low: np.ndarray, high: np.ndarray, threshold: float) -> np.ndarray:
    """Index pairs (P, 2), each once or twice, of boxes whose IoU may be above `threshold`.

    Args:
        low, high: float32 (N, 2), opposite corners.
        threshold: of the IoU.
    """
    from scipy.spatial import cKDTree

    corners = np.concatenate([low, high], 1).astype(np.float64)
    side = (corners[:, 2:] - corners[:, :2]).max(1)
    # Boxes of a like size together: one that fills the frame must not widen the search for all.
    size = np.floor(np.log2(side) / 4).astype(np.int64)
    found = []
    # IoU > t means that the larger sides differ by no more than a factor of t, and no edge by
    # more than 1 - t of the larger side; the rest is room for rounding.
    for number in np.unique(size):
        smallest, largest = 16.0**number, 16.0 ** (number + 1)
        members = np.flatnonzero((side >= 0.999 * threshold * smallest) & (side <= largest))
        tree = cKDTree(corners[members])
        near = tree.query_pairs((1 - threshold) * largest * 1.001, p=np.inf, output_type="ndarray")
        found.append(members[near])
    return np.concatenate(found)

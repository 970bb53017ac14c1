"""Non-maximum suppression at a high threshold, as hard example mining asks for it, but quick.

SSD's hard example miner calls NMS once an image, on every anchor, at an IoU of 0.99: it drops
only boxes that are all but the same. TensorFlow's kernel compares each box with every box kept
so far, millions of pairs; here the boxes are sorted along a line, on which the few that are near
enough to matter stand side by side.
"""

from __future__ import annotations

import numpy as np

HIGH = 0.9  # below it, near pairs are many and TensorFlow's kernel serves well
PROJECTION = np.sqrt([1.0, 2.0, 3.0, 5.0])
"""Of a box's edges to a line: such that anchors on a grid do not fall on one point."""


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
    """Index pairs (P, 2), each once, of boxes whose IoU may be above `threshold`.

    Args:
        low, high: float32 (N, 2), opposite corners.
        threshold: of the IoU.
    """
    edges = np.concatenate([low, high], 1).astype(np.float64)
    # IoU > t means that no edge differs by more than (1 - t) / t of the box's own side; the rest
    # is room for rounding.
    reach = (1 - threshold) / threshold * 1.001 * np.tile(edges[:, 2:] - edges[:, :2], 2)
    place, window = edges @ PROJECTION, reach @ PROJECTION
    order = np.argsort(place)
    place, window = place[order], window[order]
    # Each box with its next neighbour on the line, then with the one behind that, and so on, for
    # as long as one is within reach.
    neighbours = [np.empty((0, 2), np.int64)]
    box = np.arange(len(order))
    for step in range(1, len(order)):
        box = box[: np.searchsorted(box, len(order) - step)]
        box = box[place[box + step] - place[box] <= window[box]]
        if not len(box):
            break
        neighbours.append(np.stack([order[box], order[box + step]], 1))
    pairs = np.concatenate(neighbours)
    for edge, limit in zip(edges.T, reach.T, strict=True):
        one, other = pairs.T
        pairs = pairs[np.abs(edge[one] - edge[other]) <= limit[one]]
    return pairs

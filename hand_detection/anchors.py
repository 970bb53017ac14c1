"""The anchors of a config's detector, and how well they cover a data set's boxes.

As the API's own anchor generators make them, in NumPy: a test compares the two. A detector
learns a box through the anchors that overlap it: a box without any of IoU 0.5 is given its
best anchor all the same, but is learned worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from hand_detection.console import UserError

MATCH = 0.5  # IoU from which an anchor counts as the box's, by the configs' matchers
MOST_BOXES = 5000  # looked at, drawn evenly from all: enough for a share to a percent
MOST_TRIED = 1000  # the same, where many anchors are tried
MIN_SCALES = np.round(np.arange(0.02, 0.301, 0.01), 2)

_SSD_STRIDE = 16  # of the first of the feature maps; each further one halves the side
_SSD_EXTRACTORS = ("ssd_mobilenet_v1", "ssd_mobilenet_v2", "ssd_inception_v2", "ssd_inception_v3")


def input_size(model: Any, size: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) in pixels that the detector sees of an image of `size`.

    Args:
        model: a model_pb2.DetectionModel.
        size: (width, height) of the image in pixels.
    """
    resizer = _detector(model).image_resizer
    if resizer.WhichOneof("image_resizer_oneof") == "fixed_shape_resizer":
        fixed = resizer.fixed_shape_resizer
        return fixed.width, fixed.height
    keep = resizer.keep_aspect_ratio_resizer
    scale = min(keep.min_dimension / min(size), keep.max_dimension / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def anchors(model: Any, size: tuple[int, int]) -> np.ndarray:
    """The anchors on an image of `size` (width, height): float64 (A, 4), as shares of it.

    Args:
        model: a model_pb2.DetectionModel.
        size: (width, height) of the image in pixels.

    Returns:
        xmin, ymin, xmax, ymax of each, not cut at the image's edge.

    Raises:
        UserError: this kind of anchor generator or feature extractor is not known here.
    """
    generator = _generator(model)
    kind = generator.WhichOneof("anchor_generator_oneof")
    width, height = input_size(model, size)
    extractor = _detector(model).feature_extractor.type
    if kind == "ssd_anchor_generator" and extractor.startswith(_SSD_EXTRACTORS):
        return _ssd(generator.ssd_anchor_generator, width, height)
    if kind == "multiscale_anchor_generator":
        return _multiscale(generator.multiscale_anchor_generator, width, height)
    if kind == "grid_anchor_generator":
        return _grid(generator.grid_anchor_generator, width, height)
    raise UserError(f"the anchors of {kind} with {extractor} are not known here")


def _detector(model: Any) -> Any:
    return getattr(model, model.WhichOneof("model"))


def _generator(model: Any) -> Any:
    if model.WhichOneof("model") == "faster_rcnn":
        return model.faster_rcnn.first_stage_anchor_generator
    return model.ssd.anchor_generator


def _ssd(spec: Any, width: int, height: int) -> np.ndarray:
    layers = spec.num_layers
    steps = np.arange(layers) / max(1, layers - 1)
    scales = [*spec.scales] or [*(spec.min_scale + (spec.max_scale - spec.min_scale) * steps)]
    # A scale is a share of the image's shorter side.
    base = np.array([spec.base_anchor_width or 1.0, spec.base_anchor_height or 1.0])
    base = base * min(width, height) / (width, height)
    found = []
    for layer, (scale, following) in enumerate(zip(scales, [*scales[1:], 1.0], strict=True)):
        if layer == 0 and spec.reduce_boxes_in_lowest_layer:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            shapes = [(scale, ratio) for ratio in spec.aspect_ratios]
            if spec.interpolated_scale_aspect_ratio > 0:
                shapes.append((np.sqrt(scale * following), spec.interpolated_scale_aspect_ratio))
        extents = _extents(shapes) * base
        stride = _SSD_STRIDE << layer
        columns, rows = -(-width // stride), -(-height // stride)
        found.append(
            _tile((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows, extents)
        )
    return np.concatenate(found)


def _multiscale(spec: Any, width: int, height: int) -> np.ndarray:
    octaves = 2.0 ** (np.arange(spec.scales_per_octave) / spec.scales_per_octave)
    shapes = [(scale, ratio) for ratio in spec.aspect_ratios for scale in octaves]
    found = []
    for level in range(spec.min_level, spec.max_level + 1):
        stride = 1 << level
        extents = _extents(shapes) * spec.anchor_scale * stride
        centres = [
            np.arange(-(-side // stride)) * stride + (stride / 2 if side % stride == 0 else 0)
            for side in (width, height)
        ]
        found.append(_tile(*centres, extents))
    return np.concatenate(found) / (width, height, width, height)


def _grid(spec: Any, width: int, height: int) -> np.ndarray:
    shapes = [(scale, ratio) for ratio in spec.aspect_ratios for scale in spec.scales]
    extents = _extents(shapes) * (spec.width, spec.height)
    x = np.arange(-(-width // spec.width_stride)) * spec.width_stride + spec.width_offset
    y = np.arange(-(-height // spec.height_stride)) * spec.height_stride + spec.height_offset
    return _tile(x, y, extents) / (width, height, width, height)


def _extents(shapes: Sequence[tuple[float, float]]) -> np.ndarray:
    """Width and height of anchors of the given (scale, aspect ratio): float64 (K, 2)."""
    scales, ratios = np.array(shapes, np.float64).T
    return np.stack([scales * np.sqrt(ratios), scales / np.sqrt(ratios)], axis=1)


def _tile(x: np.ndarray, y: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """Boxes of all `extents` (K, 2) around every centre of the grid: (Y * X * K, 4)."""
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
    half = extents / 2
    return np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4)


def best_iou(model: Any, boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The IoU of each box with the anchor that fits it best: float64 (N,).

    Args:
        model: a model_pb2.DetectionModel.
        boxes: float64 (N, 4), xmin, ymin, xmax, ymax as shares of the image.
        sizes: int (N, 2), each box's image's width and height in pixels.

    Raises:
        UserError: as `anchors`.
    """
    best = np.zeros(len(boxes))
    seen = np.array([input_size(model, tuple(size)) for size in sizes]).reshape(-1, 2)
    for size in np.unique(seen, axis=0):
        of_size = np.flatnonzero((seen == size).all(axis=1))
        grid = anchors(model, tuple(sizes[of_size[0]].tolist()))
        areas = (grid[:, 2:] - grid[:, :2]).prod(axis=1)
        for place in of_size:
            box = boxes[place]
            shared = np.minimum(box[2:], grid[:, 2:]) - np.maximum(box[:2], grid[:, :2])
            overlap = shared.clip(0).prod(axis=1)
            best[place] = np.max(overlap / ((box[2:] - box[:2]).prod() + areas - overlap))
    return best


def evenly(count: int, most: int = MOST_BOXES) -> np.ndarray:
    """Places of at most `most` of `count` boxes, evenly spread."""
    taken = min(count, most)
    return np.arange(taken) * count // max(1, taken)


def better_min_scale(model: Any, boxes: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """The ssd_anchor_generator's min_scale that leaves the fewest boxes below `MATCH`.

    Returns:
        It, and the share of boxes below `MATCH` with it; of equally good ones the largest.

    Raises:
        UserError: the config has another anchor generator.
    """
    if _generator(model).WhichOneof("anchor_generator_oneof") != "ssd_anchor_generator":
        raise UserError("min_scale belongs to ssd_anchor_generator")
    tried, some = deepcopy(model), evenly(len(boxes), MOST_TRIED)
    spec = _generator(tried).ssd_anchor_generator
    found = []
    for scale in MIN_SCALES[spec.max_scale > MIN_SCALES]:
        spec.min_scale = scale
        found.append(
            (float(np.mean(best_iou(tried, boxes[some], sizes[some]) < MATCH)), -float(scale))
        )
    share, scale = min(found)
    return -scale, share

"""What stands in a prepared data set, in figures, and which of its labels look wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hand_detection import egohands
from hand_detection.coverage import Coverage
from hand_detection.survey import Survey

TINY = 0.01  # of the image's width or height
TINY_PIXELS = 3
OVERLAP = 0.9  # IoU above which two boxes are hardly two objects
SAME = 0.99  # IoU from which two boxes of a class are one, labelled twice
LISTED = 1000  # of each kind in the JSON

SUSPICIONS = {
    "outside": "reaches out of its image: cut it, or look whether the image was resized",
    "reversed": "has no area, or its corners are exchanged",
    "tiny": f"a side is below {TINY:.0%} of the image's or {TINY_PIXELS} pixels: a slip of the "
    "mouse?",
    "duplicate": "the same box twice",
    "overlap": f"IoU above {OVERLAP} with another box: two objects, or one labelled twice?",
    "unknown": "a class that the label map does not have",
    "empty": "an image without a box: right if there is nothing on it",
}

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
GRID = (32, 18)  # cells of the map of positions, across and down


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label, or an image without one, that a person should look at.

    `box` is as the label has it, in pixels from 0, the last included; None for an image.
    """

    kind: str
    frame: str
    label: str | None = None
    box: tuple[float, ...] | None = None
    place: int = -1  # of the frame in the survey


def suspicions(found: Survey, classes: Collection[str]) -> list[Suspicion]:
    """All labels and images that look wrong, in the order of `SUSPICIONS` and the frames."""
    listed = [
        Suspicion(kind, found.frames[frame].name, label, box, frame)
        for kind, frame, label, box in _suspicious(found, classes)
    ]
    kinds = list(SUSPICIONS)
    return sorted(listed, key=lambda one: (kinds.index(one.kind), one.place))


def _suspicious(
    found: Survey, classes: Collection[str]
) -> Iterator[tuple[str, int, str | None, tuple[float, ...] | None]]:
    extents, sizes = found.extents(), found.sizes[found.frame_of]
    # From the upper left pixel to the far edge, as `kitti` allows it.
    out = (found.boxes < 0).any(axis=1) | (found.boxes[:, 2:] > sizes).any(axis=1)
    flat = (found.boxes[:, 2:] < found.boxes[:, :2]).any(axis=1)
    tiny = ~flat & (extents < np.maximum(TINY_PIXELS, TINY * sizes)).any(axis=1)
    unknown = np.array([kind not in classes for kind in found.kinds], bool)[found.kind_of]
    for kind, which in (("outside", out), ("reversed", flat), ("tiny", tiny), ("unknown", unknown)):
        for place in np.flatnonzero(which):
            yield (kind, int(found.frame_of[place]), *_label(found, place))
    for frame in np.flatnonzero(found.per_frame() == 0):
        yield "empty", int(frame), None, None
    starts = np.searchsorted(found.frame_of, np.arange(len(found.frames) + 1))
    for frame in np.flatnonzero(found.per_frame() > 1):
        start, end = starts[frame], starts[frame + 1]
        overlaps = np.triu(_ious(found.boxes[start:end]), 1)
        for one, other in np.argwhere(overlaps > OVERLAP):
            same_kind = found.kind_of[start + one] == found.kind_of[start + other]
            twice = same_kind and overlaps[one, other] >= SAME
            kind = "duplicate" if twice else "overlap"
            yield (kind, int(frame), *_label(found, start + other))


def _label(found: Survey, place: int) -> tuple[str, tuple[float, ...]]:
    return found.kinds[found.kind_of[place]], tuple(found.boxes[place].tolist())


def _ious(boxes: np.ndarray) -> np.ndarray:
    """The IoU of each box with each: (N, N) of (N, 4) in pixels, the last included."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low + 1).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).clip(0).prod(axis=1)
    return shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9)


def figures(
    found: Survey,
    classes: Collection[str],
    suspicious: Sequence[Suspicion],
    covered: Coverage | None,
) -> dict[str, Any]:
    """All figures of the report, as JSON has them.

    Args:
        found: the data set.
        classes: of the label map, in its order; those found beside them come behind.
        suspicious: as `suspicions` lists them.
        covered: how the anchors of a config fit; None if that is not known.
    """
    names = [*classes, *(kind for kind in found.kinds if kind not in classes)]
    share = found.normalized()
    widths, heights = (share[:, 2:] - share[:, :2]).T
    extents = found.extents()
    whole = (extents > 0).all(axis=1)
    counts = Counter(one.kind for one in suspicious)
    return {
        "images": len(found.frames),
        "boxes": len(found.boxes),
        "classes": {name: _of_class(found, name) for name in names},
        "videos": _videos(found),
        "boxes_per_image": _histogram(found.per_frame().tolist()),
        "image_sizes": _histogram(f"{width}x{height}" for width, height in found.sizes.tolist()),
        "box": {
            "width_share": _quantiles(widths[whole]),
            "height_share": _quantiles(heights[whole]),
            "width_pixels": _quantiles(extents[whole, 0]),
            "height_pixels": _quantiles(extents[whole, 1]),
            "aspect": _quantiles(extents[whole, 0] / extents[whole, 1]),
        },
        "centres": positions(found).tolist(),
        "anchors": covered
        and {
            "boxes": len(covered.best),
            "share_below_0.5": covered.below,
            "best_iou": _quantiles(covered.best),
            "median_box_in_input": [float(side) for side in covered.extent],
            "share_small": covered.small,
            "min_scale": covered.min_scale,
            "better_min_scale": covered.better and covered.better[0],
            "share_below_0.5_with_it": covered.better and covered.better[1],
        },
        "suspicious": {
            kind: {
                "count": counts[kind],
                "found": [
                    {key: value for key, value in asdict(one).items() if key not in _NOT_LISTED}
                    for one in [one for one in suspicious if one.kind == kind][:LISTED]
                ],
            }
            for kind in SUSPICIONS
        },
    }


_NOT_LISTED = ("kind", "place")


def _of_class(found: Survey, name: str) -> dict[str, int]:
    if name not in found.kinds:
        return {"boxes": 0, "images": 0}
    frames = found.frame_of[found.kind_of == found.kinds.index(name)]
    return {"boxes": len(frames), "images": len(np.unique(frames))}


def _videos(found: Survey) -> dict[str, dict[str, int]]:
    """Frames and boxes by video; frames of other names are not counted."""
    videos: dict[str, dict[str, int]] = {}
    for frame, boxes in zip(found.frames, found.per_frame().tolist(), strict=True):
        video = egohands.video_of(frame.name)
        if video is not None:
            counts = videos.setdefault(video, {"images": 0, "boxes": 0})
            counts["images"] += 1
            counts["boxes"] += boxes
    return videos


def positions(found: Survey) -> np.ndarray:
    """How many boxes have their centre in each cell of the image, int64 (rows, columns)."""
    share = found.normalized()
    centres = (share[:, :2] + share[:, 2:]) / 2
    across, down = ((centres[:, i] * GRID[i]).clip(0, GRID[i] - 1).astype(int) for i in (0, 1))
    grid = np.zeros(GRID[::-1], np.int64)
    np.add.at(grid, (down, across), 1)
    return grid


def _histogram(values: Any) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    found = np.quantile(values, QUANTILES)
    return {
        f"{quantile:.0%}": round(float(value), 4)
        for quantile, value in zip(QUANTILES, found, strict=True)
    }

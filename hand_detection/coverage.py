"""How a config's anchors cover a data set's boxes, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hand_detection import anchors
from hand_detection.console import UserError
from hand_detection.survey import Survey

SMALL = 10  # pixels of the detector's input: what is smaller is hardly ever found
WORTH_TELLING = 0.05  # of the boxes: what a better min_scale must win


@dataclass(frozen=True)
class Coverage:
    """The anchors of a config beside the boxes of a data set.

    Attributes:
        best: float64 (N,), each looked-at box's IoU with its best anchor.
        of: how many boxes there are; N may be fewer, evenly spread.
        small: share of boxes with a side below `SMALL` pixels of the detector's input.
        extent: the median width and height in those pixels.
        min_scale: the config's, None if its generator has none.
        better: (min_scale, the share below 0.5 that it would leave), None if none is better.
    """

    best: np.ndarray
    of: int
    small: float
    extent: tuple[float, float]
    min_scale: float | None
    better: tuple[float, float] | None

    @property
    def below(self) -> float:
        """The share of boxes without an anchor of IoU `anchors.MATCH`."""
        return float(np.mean(self.best < anchors.MATCH))

    def in_words(self) -> list[str]:
        """Two or three lines for the terminal."""
        kind = "boxes" if len(self.best) == self.of else "sampled boxes"
        lines = [
            f"anchors: {self.below:.0%} of {len(self.best):,} {kind} have none of IoU "
            f"{anchors.MATCH} (best IoU: median {np.median(self.best):.2f}, worst "
            f"{self.best.min():.2f}); such boxes are learned worse",
            f"sizes: the median box is {self.extent[0]:.0f} x {self.extent[1]:.0f} pixels where "
            f"the detector looks, {self.small:.0%} have a side below {SMALL}"
            + (
                "; those are hardly ever found: a larger image_resizer helps"
                if self.small > 0.1
                else ""
            ),
        ]
        if self.better:
            lines.append(
                f"min_scale: {self.better[0]:g} instead of {self.min_scale:g} would leave "
                f"{self.better[1]:.0%} without: worth a try; edit it in the config before the "
                "first training"
            )
        elif self.min_scale is not None:
            lines.append(f"min_scale: {self.min_scale:g} is good as it is")
        return lines


def coverage(model: Any, found: Survey) -> Coverage:
    """Compare the anchors of `model` with the boxes of a data set.

    Args:
        model: a model_pb2.DetectionModel.
        found: the data set.

    Raises:
        UserError: there is no box, or the kind of anchors is not known.
    """
    # A box of no area covers nothing, and is for the inspection to tell.
    places = np.flatnonzero((found.extents() > 0).all(axis=1))
    if not len(places):
        raise UserError("there is no box to cover")
    looked_at = places[anchors.evenly(len(places))]
    boxes, sizes = found.normalized()[looked_at], found.sizes[found.frame_of[looked_at]]
    best = anchors.best_iou(model, boxes, sizes)
    seen = np.array([anchors.input_size(model, tuple(size)) for size in sizes])
    extents = (boxes[:, 2:] - boxes[:, :2]) * seen
    width, height = np.median(extents, axis=0)
    small = float(np.mean(extents.min(axis=1) < SMALL))
    try:
        better = anchors.better_min_scale(model, boxes, sizes)
    except UserError:
        return Coverage(best, len(places), small, (width, height), None, None)
    now = model.ssd.anchor_generator.ssd_anchor_generator.min_scale
    wins = better[1] <= float(np.mean(best < anchors.MATCH)) - WORTH_TELLING
    return Coverage(best, len(places), small, (width, height), now, better if wins else None)

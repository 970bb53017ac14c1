"""A prepared data set's sizes and boxes as arrays, from label files and image headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hand_detection import images, kitti
from hand_detection.console import Progress


@dataclass(frozen=True)
class Survey:
    """What stands in a data set. DontCare regions are left out.

    Attributes:
        frames: F frames, sorted by name.
        sizes: int64 (F, 2), each image's width and height in pixels.
        boxes: float64 (N, 4), xmin, ymin, xmax, ymax in pixels from 0, the last included, as
            the labels have them; reversed ones and ones out of the image too.
        frame_of: int64 (N,), each box's place in `frames`.
        kinds: the class names of the boxes, sorted.
        kind_of: int64 (N,), each box's place in `kinds`.
    """

    frames: Sequence[kitti.Frame]
    sizes: np.ndarray
    boxes: np.ndarray
    frame_of: np.ndarray
    kinds: Sequence[str]
    kind_of: np.ndarray

    def extents(self) -> np.ndarray:
        """Each box's width and height in pixels, float64 (N, 2); 1 for a box of one pixel."""
        return self.boxes[:, 2:] - self.boxes[:, :2] + 1

    def normalized(self) -> np.ndarray:
        """The boxes' areas as shares of their images: float64 (N, 4), xmin, ymin, xmax, ymax."""
        areas = self.boxes + np.array([0, 0, 1, 1])
        return areas / np.tile(self.sizes[self.frame_of], 2)

    def per_frame(self) -> np.ndarray:
        """How many boxes each frame has, int64 (F,)."""
        return np.bincount(self.frame_of, minlength=len(self.frames))


def survey(data: Path) -> Survey:
    """Read all labels and image headers of the prepared data set `data`.

    Raises:
        UserError: a label file or an image header cannot be read. Boxes are not judged.
    """
    frames = kitti.list_frames(data)
    sizes = np.zeros((len(frames), 2), np.int64)
    boxes, frame_of, kinds = [], [], []
    with Progress(len(frames), "survey", "frames") as bar:
        for place, frame in enumerate(frames):
            sizes[place] = images.size_of(frame.image)
            text = frame.label.read_bytes()
            for label in kitti.parse_labels(text, frame.label, inside=False):
                if not label.dont_care:
                    boxes.append(label.bbox)
                    frame_of.append(place)
                    kinds.append(label.type)
            bar.update()
    names = sorted(set(kinds))
    numbers = {name: number for number, name in enumerate(names)}
    return Survey(
        frames,
        sizes,
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(frame_of, np.int64),
        names,
        np.array([numbers[name] for name in kinds], np.int64),
    )

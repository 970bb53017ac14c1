"""A frame with what was found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from hand_detection import coco, drawing
from hand_detection.console import UserError
from hand_detection.detection.sources import Frame

QUALITY = 92
_JPEG_SIDE = 65_500  # pixels: libjpeg's own limit


@dataclass(frozen=True)
class Result:
    """What was found in a frame.

    Attributes:
        frame: it.
        found: what scores at least the threshold, best first; in pixels of the frame, whose
            last one is included, as the labels have it.
        names: class names by id.
        note: a line to be drawn into the picture's corner.
    """

    frame: Frame
    found: coco.Boxes
    names: dict[int, str]
    note: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frame, in pixels."""
        return self.frame.pixels.shape[1], self.frame.pixels.shape[0]

    @cached_property
    def drawn(self) -> Image.Image:
        """The frame with its boxes, RGB; drawn when it is first asked for."""
        found = self.found
        picture = drawing.draw_boxes(
            Image.fromarray(self.frame.pixels),
            found.boxes,
            found.classes,
            self.names,
            found.scores,
            found.masks,
        )
        if self.note:
            drawing.draw_note(picture, self.note)
        return picture

    def save(self, path: Path, kind: str = "JPEG") -> None:
        """Write the drawn picture to `path` as a "JPEG" or a "PNG".

        Raises:
            UserError: it is larger than a JPEG can be.
        """
        if kind == "JPEG" and max(self.size) > _JPEG_SIDE:
            raise UserError(
                f"{self.frame.file} is {self.size[0]} x {self.size[1]}, and a JPEG has at most "
                f"{_JPEG_SIDE:,} pixels a side: write a .png by ./detect_image.sh --output"
            )
        self.drawn.save(path, kind, quality=QUALITY)

    def objects(self) -> Iterator[tuple[str, int, float, tuple[float, ...]]]:
        """Class name, class id, score, and (xmin, ymin, xmax, ymax) in pixels of each."""
        found = self.found
        for box, category, score in zip(found.boxes, found.classes, found.scores, strict=True):
            number = int(category)
            yield self.names.get(number, str(number)), number, float(score), tuple(box.tolist())

    def lines(self) -> Iterator[str]:
        """What was found, in words."""
        for name, _, score, box in self.objects():
            xmin, ymin, xmax, ymax = map(round, box)
            yield f"{name} {score:.2f}  x {xmin}-{xmax}, y {ymin}-{ymax}"


Write = Callable[[Result], None]
"""What takes the results one by one, in the order of the frames."""

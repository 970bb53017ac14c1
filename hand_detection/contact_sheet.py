"""Contact sheets: many small frames with their boxes on one picture, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from hand_detection import images, kitti
from hand_detection.files import whole_file

COLUMNS, ROWS = 5, 4
CELL = (320, 180)  # pixels, the shape of the data set's frames
_CAPTION = 14  # pixels
_COLOUR = (255, 220, 0)


def evenly(frames: Sequence[kitti.Frame]) -> list[kitti.Frame]:
    """As many of `frames` as a sheet shows, evenly spread."""
    count = min(len(frames), COLUMNS * ROWS)
    return [frames[i * len(frames) // count] for i in range(count)]


def write_contact_sheet(path: Path, frames: Sequence[kitti.Frame]) -> None:
    """Write a JPEG with up to `COLUMNS * ROWS` frames, each with its boxes and its name.

    Raises:
        UserError: an image or a label file is not correct.
    """
    shown = evenly(frames)
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * CELL[0], rows * (CELL[1] + _CAPTION)), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for i, frame in enumerate(shown):
        x, y = i % columns * CELL[0], i // columns * (CELL[1] + _CAPTION)
        picture, size, _ = images.decode(frame.image.read_bytes(), str(frame.image), CELL)
        scale = min(CELL[0] / size[0], CELL[1] / size[1])
        width, height = (max(1, round(side * scale)) for side in size)
        sheet.paste(picture.convert("RGB").resize((width, height)), (x, y))
        for label in kitti.read_labels(frame.label, size=size):
            xmin, ymin, xmax, ymax = label.bbox
            corners = (xmin, ymin, xmax + 1, ymax + 1)  # the last pixel is inside the box
            x0, y0, x1, y1 = (round(corner * scale) for corner in corners)
            # At least two pixels wide and inside the cell, or the line would not be seen.
            x1, y1 = min(max(x1, x0 + 2), width) - 1, min(max(y1, y0 + 2), height) - 1
            box = (x + min(x0, x1), y + min(y0, y1), x + x1, y + y1)
            draw.rectangle(box, outline=_COLOUR, width=2)
        draw.text((x + 3, y + CELL[1] + 1), frame.name, fill=(255, 255, 255))
    with whole_file(path) as temporary:
        sheet.save(temporary, "JPEG", quality=85)

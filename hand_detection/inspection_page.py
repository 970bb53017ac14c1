"""The inspection of a data set as one HTML file: charts, contact sheets, suspicious labels.

Everything is in the file itself, so it opens without a network and can be sent to others.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hand_detection import anchors, images
from hand_detection.console import progress
from hand_detection.contact_sheet import evenly
from hand_detection.coverage import Coverage
from hand_detection.drawing import COLOURS
from hand_detection.inspection import SUSPICIONS, Suspicion, positions
from hand_detection.pages import counts, page
from hand_detection.survey import Survey

CELL = (320, 240)  # pixels that a thumbnail fits into
SHOWN = 24  # thumbnails of each kind of suspicion
_LEAST = 6  # pixels: a box on a thumbnail, or it would not be seen
_ALARM = (230, 30, 30)
_LAST_PIXEL = np.array([0, 0, 1, 1])  # the last pixel is inside the box


def html(
    name: str,
    found: Survey,
    figures: Mapping[str, Any],
    suspicious: Sequence[Suspicion],
    covered: Coverage | None,
    config: str,
) -> str:
    """The whole report.

    Args:
        name: of the data set.
        found: the data set.
        figures: as `inspection.figures` has them.
        suspicious: as `inspection.suspicions` lists them.
        covered: how the anchors fit; None if that is not known.
        config: the name of the config whose anchors they are.

    Raises:
        UserError: an image that is shown is damaged; names it.
    """
    classes = list(figures["classes"])
    sections = [
        ("What there is", _summary(figures)),
        ("Boxes", _charts(found, figures)),
        (f"Anchors of {config}", _anchors(covered)),
        ("Suspicious labels", _suspicious(found, figures, suspicious)),
        ("Contact sheet", _contact_sheet(found, classes)),
    ]
    title = f"{name}: {figures['images']:,} images, {figures['boxes']:,} boxes"
    return page.page(title, "Everything is in this file: it can be sent as it is.", sections)


def _summary(figures: Mapping[str, Any]) -> str:
    of_classes = [
        (name, there["boxes"], there["images"]) for name, there in figures["classes"].items()
    ]
    tables = [page.table(("class", "boxes", "images"), of_classes)]
    if figures["videos"]:
        of_videos = [(name, *there.values()) for name, there in figures["videos"].items()]
        tables.append(page.table(("video", "images", "boxes"), of_videos))
    sizes = sorted(figures["image_sizes"].items(), key=lambda item: -item[1])
    tables.append(page.table(("image size", "images"), sizes[:10]))
    return page.row(*tables)


def _charts(found: Survey, figures: Mapping[str, Any]) -> str:
    whole = (found.extents() > 0).all(axis=1)
    share = found.normalized()[whole]
    sides = share[:, 2:] - share[:, :2]
    pixels = found.extents()[whole]
    sizes, _, _ = np.histogram2d(*sides.clip(0, 1).T, bins=25, range=[[0, 1], [0, 1]])
    width, height = np.median(found.sizes, axis=0)
    per_image = figures["boxes_per_image"]
    charts = [
        ("Boxes per image", counts.bars(list(per_image), list(per_image.values()), "boxes")),
        (
            "Where the boxes are: the images' area, each box counted at its centre",
            counts.heat_map(positions(found), "across", "down", float(width / height)),
        ),
        (
            "Size: the square root of the box's share of the image's area",
            counts.histogram(
                np.sqrt(sides.clip(0).prod(axis=1)), np.linspace(0, 1, 26), "size", ".2f"
            ),
        ),
        (
            "Width and height as shares of the image's, from 0 at the lower left to 1",
            counts.heat_map(sizes.T[::-1].astype(int), "width", "height", 1.0),
        ),
        (
            "Aspect: width / height in pixels",
            counts.histogram(
                pixels[:, 0] / pixels[:, 1], 2.0 ** np.arange(-3, 3.01, 0.25), "aspect", ".2f"
            ),
        ),
    ]
    return page.row(*(page.figure(chart, caption) for caption, chart in charts))


def _anchors(covered: Coverage | None) -> str:
    if covered is None:
        return page.paragraph("Not checked.")
    words = "".join(page.paragraph(line) for line in covered.in_words())
    chart = counts.histogram(covered.best, np.linspace(0, 1, 21), "IoU", ".2f")
    caption = f"IoU of each box with the anchor that fits it best; {anchors.MATCH} is a match"
    return words + page.figure(chart, caption)


def _suspicious(found: Survey, figures: Mapping[str, Any], suspicious: Sequence[Suspicion]) -> str:
    rows = [(kind, figures["suspicious"][kind]["count"], SUSPICIONS[kind]) for kind in SUSPICIONS]
    parts = [page.table(("kind", "found", "what it means"), rows)]
    for kind in SUSPICIONS:
        of_kind = [one for one in suspicious if one.kind == kind]
        if not of_kind:
            continue
        cells = []
        for one in progress(of_kind[:SHOWN], len(of_kind[:SHOWN]), kind, "images"):
            note = f"{one.frame}: {one.label} {_sides(one.box)}" if one.box else one.frame
            cells.append(_picture(_thumbnail(found, one.place, None, one.box), note))
        more = f", {SHOWN} of them" if len(of_kind) > SHOWN else ""
        parts.append(f"<h3>{kind}: {len(of_kind):,}{more}</h3>{page.frames(*cells)}")
    return "".join(parts)


def _sides(box: tuple[float, ...]) -> str:
    return " ".join(f"{side:g}" for side in box)


def _contact_sheet(found: Survey, classes: Sequence[str]) -> str:
    by_name = {frame.name: place for place, frame in enumerate(found.frames)}
    chosen = evenly(found.frames)
    cells = []
    for frame in progress(chosen, len(chosen), "contact sheet", "images"):
        place = by_name[frame.name]
        cells.append(_picture(_thumbnail(found, place, classes, None), frame.name))
    key = "".join(
        f'<span class=key style="border-color: rgb{_colour(name, classes)}"></span>{escape(name)}'
        for name in classes
    )
    return f"<p>{key}</p>{page.frames(*cells)}"


def _colour(name: str, classes: Sequence[str]) -> tuple[int, int, int]:
    return COLOURS[classes.index(name) % len(COLOURS)]


def _thumbnail(
    found: Survey, place: int, classes: Collection[str] | None, marked: tuple[float, ...] | None
) -> Image.Image:
    """A small picture of a frame with all its boxes, or with one box marked."""
    frame = found.frames[place]
    picture, size, _ = images.decode(frame.image.read_bytes(), str(frame.image), CELL)
    small = picture.convert("RGB").resize(_fitted(size))
    scale = np.tile(np.array(small.size) / size, 2)
    draw = ImageDraw.Draw(small)
    if marked is not None:
        _rectangle(draw, np.array(marked) + _LAST_PIXEL, scale, _ALARM, small.size)
    elif classes is not None:
        for i in np.flatnonzero(found.frame_of == place):
            colour = _colour(found.kinds[found.kind_of[i]], list(classes))
            _rectangle(draw, found.boxes[i] + _LAST_PIXEL, scale, colour, small.size)
    return small


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(CELL[0] / size[0], CELL[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rectangle(
    draw: ImageDraw.ImageDraw,
    box: np.ndarray,
    scale: np.ndarray,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    low, high = np.sort((box * scale).reshape(2, 2), axis=0)
    grow = (_LEAST - (high - low)).clip(0) / 2
    edge = np.array(size) - 1
    low, high = (low - grow).clip(0, edge), (high + grow).clip(0, edge)
    draw.rectangle((*low.round().tolist(), *high.round().tolist()), outline=colour, width=2)


def _picture(image: Image.Image, caption: str) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return page.picture(out.getvalue(), caption)

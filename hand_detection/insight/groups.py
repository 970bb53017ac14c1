"""AP by what is known of a frame (video, activity, location) and by the size of a hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from hand_detection import egohands, metrics
from hand_detection.coco import Image


def videos_of(images: Sequence[Image]) -> list[str | None]:
    """The video of each image, by its file's name; None if that does not tell it."""
    return [egohands.video_of(image.name.rpartition(".")[0]) for image in images]


def by_name(images: Sequence[Image], matches: metrics.Matches) -> dict[str, list[dict]]:
    """AP of the frames of each video, activity and location; {} if the names do not tell them.

    A video is named ACTIVITY_LOCATION_VIEWER_PARTNER.

    Returns:
        By kind of group, rows of name, images, objects, AP, AP50; the worst AP50 first.
    """
    videos = videos_of(images)
    if None in videos:
        return {}
    of = {"video": np.array(videos)}
    if all(video.count("_") >= 3 for video in videos):
        parts = np.array([video.split("_")[:2] for video in videos])
        of |= {"activity": parts[:, 0], "location": parts[:, 1]}
    return {kind: list(_rows(labels, matches)) for kind, labels in of.items()}


def _rows(labels: np.ndarray, matches: metrics.Matches) -> Iterator[dict]:
    rows = []
    for name in np.unique(labels):
        keep = labels == name
        part = {class_: of.only(keep) for class_, of in matches.items()}
        rows.append(_row(str(name), part, images=int(keep.sum())))
    return iter(sorted(rows, key=lambda row: row["AP50"]))


def by_size(images: Sequence[Image], classes: Sequence[int]) -> list[dict]:
    """AP of the quarters of the objects from small to large, by their share of the frame's area.

    The bounds are those of the data at hand, so every row has objects; as for COCO's sizes, a
    detection outside the range that matches nothing does not count.

    Returns:
        Rows of name, low, high (shares), objects, AP, AP50. Fewer rows where bounds coincide.
    """
    shares = [
        image.truth.xywh[:, 2:].prod(axis=1) / (image.width * image.height)
        for image in images
        if len(image.truth.boxes)
    ]
    if not shares:
        return []
    bounds = np.unique(np.quantile(np.concatenate(shares), [0.25, 0.5, 0.75]))
    edges = [0.0, *bounds.tolist(), np.inf]
    # Ranges include both ends; an object on a bound belongs to the smaller ones.
    ranges = [
        (np.nextafter(low, np.inf) if low else 0.0, high) for low, high in itertools.pairwise(edges)
    ]
    matches = metrics.match(images, classes, [(0.0, np.inf), *ranges], relative=True)
    rows = []
    for area, (low, high) in enumerate(itertools.pairwise(edges), 1):
        name = f"{low:.1%} to {high:.1%}" if np.isfinite(high) else f"above {low:.1%}"
        row = _row(name, matches, area=area)
        rows.append({**row, "low": low, "high": high if np.isfinite(high) else None})
    return rows


def _row(name: str, matches: metrics.Matches, area: int = 0, **more: object) -> dict:
    return {
        "name": name,
        **more,
        "objects": sum(int(of.positives[area].sum()) for of in matches.values()),
        "AP": metrics.average_precision(matches, area=area),
        "AP50": metrics.average_precision(matches, [metrics.AT_50], area),
    }

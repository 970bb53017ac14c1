"""The report of one evaluation: what the numbers say about what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hand_detection import coco, files, held_out, metrics
from hand_detection.insight import analysis, bootstrap, thumbnails, tide
from hand_detection.pages import charts, page

ADVICE = {
    "classification": "Classes are mistaken for one another: see the confusion table for which; "
    "look at their labels, and add frames that show them side by side.",
    "localization": "Hands are found, but the boxes are off: train longer, give the network larger "
    "images (image_resizer), and check that the labels are tight.",
    "both": "Wrong class and wrong place at once: often labels of two conventions in one set.",
    "duplicate": "Hands are found twice: lower the iou_threshold of batch_non_max_suppression.",
    "background": "Hands are seen where none are: add frames with what they were seen in (the "
    "worst frames show it), empty ones too, or raise the score threshold.",
    "missed": "Hands are missed: see by size and by group which. For small ones lower min_scale or "
    "give larger images; else add frames like those.",
}


def write(
    path: Path,
    record: dict,
    images: Sequence[coco.Image],
    classes: dict[str, int],
    records: Sequence[Path],
) -> dict:
    """Write the page `path` and, beside it, the same figures as JSON.

    Args:
        path: ends in .html.
        record: what was evaluated, as `Result.record` has it.
        images: with ground truth and detections.
        classes: ids by name.
        records: the TFRecord files that the images are from, for the pictures.

    Returns:
        The figures.
    """
    found = analysis.analyse(images, classes)
    pictures = _pictures(found, images, classes, records)
    files.write_json(path.with_suffix(".json"), {"evaluation": record, **found})
    files.write_text(path, html(record, found, pictures))
    return found


def html(record: dict, found: dict, pictures: dict[int, bytes]) -> str:
    """The page of the figures `found` of an evaluation."""
    title = f"{record['model']}: {record['checkpoint']}"
    subtitle = (
        f"{found['images']} images, {sum(found['objects'].values())} objects; "
        f"{record['split']} of {record['records']}. {held_out.MEANING[record['trained_on']]}"
    )
    return page.page(
        title,
        subtitle,
        [
            ("What to do next", page.bullets(advice(found))),
            ("The numbers", _numbers(found)),
            ("Precision and recall", _curves(found)),
            ("The score threshold", _operating(found)),
            ("Where AP is lost", _errors(found)),
            ("By group", _groups(found)),
            ("Can the scores be believed?", _calibration(found)),
            (f"The {len(found['worst'])} worst frames", _worst(found, pictures)),
        ],
    )


def advice(found: dict) -> list[str]:
    """The most useful things to know, in sentences."""
    lines = []
    costs = {name: found["errors"]["dAP"][name] for name in tide.TYPES}
    first, second = sorted(costs, key=costs.get, reverse=True)[:2]
    for name in (first, second):
        if costs[name] >= 0.01:
            lines.append(f"{name.capitalize()} errors cost {costs[name]:.3f} AP50. {ADVICE[name]}")
    sizes = [row for row in found["groups"]["size"] if row["AP50"] >= 0]
    if len(sizes) > 1:
        worst = min(sizes, key=lambda row: row["AP50"])
        best = max(sizes, key=lambda row: row["AP50"])
        lines.append(
            f"By size, hands of {worst['name']} of the frame's area are the hardest: AP50 "
            f"{worst['AP50']:.3f}, beside {best['AP50']:.3f} for {best['name']}."
        )
    videos = found["groups"].get("video", [])
    if len(videos) > 1:
        lines.append(
            f"The hardest video is {videos[0]['name']}: AP50 {videos[0]['AP50']:.3f}, beside "
            f"{videos[-1]['AP50']:.3f} for {videos[-1]['name']}."
        )
    point = found["operating_point"]
    lines.append(
        f"Detect with a score threshold of {point['threshold']:.2f}: of what is shown then, "
        f"{point['precision']:.0%} is right, and {point['recall']:.0%} of the objects are shown."
    )
    few = found["intervals"]
    if few["videos"] and few["clusters"] < bootstrap.FEW:
        lines.append(
            f"These are {few['clusters']} videos only: intervals are rough, and a difference of a "
            "few hundredths between two detectors may be chance. Hold out more videos."
        )
    return lines


def _numbers(found: dict) -> str:
    intervals = found["intervals"]
    short = dict(zip(coco.TAGS, ("AP", "AP50", "AP75"), strict=False))
    rows = [
        (tag.partition("/")[2], value, page.between(intervals[short[tag]]["interval"]))
        if tag in short
        else (tag.partition("/")[2], value, "")
        for tag, value in found["metrics"].items()
    ]
    what = "videos" if intervals["videos"] else "groups of frames (their names tell no video)"
    return page.table(("COCO metric", "value", "95% interval"), rows) + page.paragraph(
        f"Intervals: {intervals['resamples']} resamples of {intervals['clusters']} whole {what}, "
        "since frames of one video are not independent. They tell how much the number would move "
        "with other recordings of the same kind. -1: there is no such object."
    )


def _curves(found: dict) -> str:
    figures = []
    for name, curves in found["precision_recall"].items():
        series = {
            f"IoU {iou}": list(zip(metrics.RECALL_THRESHOLDS.tolist(), points, strict=True))
            for iou, points in curves.items()
            if points is not None
        }
        svg = charts.lines(series, "recall", "precision", unit_x=True)
        figures.append(page.figure(svg, f"{name}: the area below is AP50, AP75."))
    return page.row(*figures)


def _operating(found: dict) -> str:
    point = found["operating_point"]
    curve = point["curve"]
    series = {
        name: list(zip(curve["threshold"], curve[name], strict=True))
        for name in ("precision", "recall", "f1")
        if curve
    }
    svg = charts.lines(
        series, "score threshold", unit_x=True, marks=[(point["threshold"], point["f1"])]
    )
    names = found["confusion"]["classes"]
    rows = [
        (name, *counts)
        for name, counts in zip([*names, "(nothing)"], found["confusion"]["counts"], strict=True)
    ]
    return page.row(
        page.figure(svg, f"F1 is largest, {point['f1']:.3f}, at {point['threshold']:.3f}."),
        "<div>"
        + page.table(("there \\ detected", *names, "not found"), rows)
        + page.paragraph("Counts at that threshold and IoU .5.")
        + "</div>",
    )


def _errors(found: dict) -> str:
    errors = found["errors"]
    order = sorted(tide.TYPES, key=errors["dAP"].get, reverse=True)
    svg = charts.bars(
        [(name, errors["dAP"][name], f"{errors['dAP'][name]:+.3f}") for name in order]
    )
    rows = [
        (
            name,
            errors["dAP"][name],
            errors["count_at_threshold"][name],
            errors["count"][name],
            tide.TYPES[name],
        )
        for name in order
    ]
    overall = ", ".join(
        f"all {name}: {errors['dAP'][name]:+.3f}" for name in ("false positives", "false negatives")
    )
    return (
        page.figure(svg, "AP50 gained if all errors of one type were mended, and no others (dAP).")
        + page.table(("error", "dAP", "at the threshold", "at any score", "what it is"), rows)
        + page.paragraph(f"{overall}. Types by TIDE (Bolya et al., 2020); gains do not add up.")
    )


def _groups(found: dict) -> str:
    parts = []
    for kind, rows in found["groups"].items():
        if not rows:
            continue
        svg = charts.bars(
            [
                (row["name"], row["AP50"], f"{row['AP50']:.3f} ({row['objects']} obj.)")
                for row in rows
            ],
            highest=1.0,
        )
        what = "size, by share of the frame's area" if kind == "size" else kind
        parts.append(page.figure(svg, f"AP50 by {what}"))
    return page.row(*parts)


def _calibration(found: dict) -> str:
    bins = [row for row in found["calibration"]["bins"] if row["count"]]
    if not bins:
        return ""
    points = [(row["score"], row["right"]) for row in bins]
    svg = charts.lines(
        {"detections": points}, "score", "share that is right", unit_x=True, diagonal=True
    )
    error = found["calibration"]["ece"]
    return page.row(
        page.figure(
            svg,
            f"Expected calibration error {error:.3f}. Below the diagonal the detector is too "
            f"sure of itself, above it too modest. Scores from {found['calibration']['least']}.",
        ),
        page.table(
            ("scores", "detections", "mean score", "right"),
            [
                (f"{row['low']:.1f} to {row['high']:.1f}", row["count"], row["score"], row["right"])
                for row in bins
            ],
        ),
    )


def _worst(found: dict, pictures: dict[int, bytes]) -> str:
    if not pictures:
        return ""
    key = "".join(
        f'<span class=key style="border-color:{colour}"></span>{text}'
        for colour, text in (
            (thumbnails.TRUTH, "ground truth"),
            (thumbnails.RIGHT, "right"),
            (thumbnails.WRONG, "wrong"),
        )
    )
    frames = page.frames(
        *(
            page.picture(
                pictures[row["index"]],
                f"{row['name']}: {row['false_positives']} wrong, "
                f"{row['false_negatives']} not found",
            )
            for row in found["worst"]
        )
    )
    threshold = found["operating_point"]["threshold"]
    return f"<p>At a score of {threshold:.3f} and more:{key}</p>\n{frames}"


def _pictures(
    found: dict, images: Sequence[coco.Image], classes: dict[str, int], records: Sequence[Path]
) -> dict[int, bytes]:
    numbers = [row["index"] for row in found["worst"]]
    threshold = found["operating_point"]["threshold"]
    right = [_right(images[number], classes) for number in numbers]
    return thumbnails.draw(records, images, right, numbers, threshold)


def _right(image: coco.Image, classes: dict[str, int]) -> np.ndarray:
    """bool (D,): which detections of an image are right at IoU .5."""
    right = np.zeros(len(image.detections.boxes), bool)
    for class_, of in metrics.match([image], classes.values()).items():
        found = metrics.ranked(image, class_)
        right[found[of.rank]] = of.right(metrics.AT_50)
    return right

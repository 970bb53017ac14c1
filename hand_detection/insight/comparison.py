"""Detectors side by side on the same images: numbers, and whether a difference is real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hand_detection import coco, files, held_out, metrics
from hand_detection.insight import bootstrap, groups
from hand_detection.pages import charts, page

NAMES = ("AP", "AP50", "AP75")


class Contender(Protocol):
    """What is compared: see `compare.Contender`."""

    name: str
    images: list[coco.Image]
    classes: dict[str, int]
    trained_on: str


def compare(contenders: Sequence[Contender]) -> dict:
    """The figures of the page, as can be written as JSON; differences are to the first one."""
    first = contenders[0]
    clusters = bootstrap.clusters(first.images)
    matches = [metrics.match(one.images, one.classes.values()) for one in contenders]
    return {
        "images": len(first.images),
        "clusters": clusters.count,
        "videos": clusters.videos,
        "contenders": [
            {
                "name": one.name,
                "trained_on": one.trained_on,
                "metrics": metrics.twelve(of),
                "intervals": bootstrap.intervals(of, clusters),
                "groups": groups.by_name(one.images, of),
                "precision_recall": {
                    class_: None if points is None else points.tolist()
                    for class_, id_ in one.classes.items()
                    for points in [metrics.curve(of[id_], metrics.AT_50)]
                },
            }
            for one, of in zip(contenders, matches, strict=True)
        ],
        "differences": [
            {"name": one.name, **bootstrap.difference(matches[0], of, clusters)}
            for one, of in zip(contenders[1:], matches[1:], strict=True)
        ],
    }


def text(result: dict) -> list[str]:
    """The table and the verdicts as lines."""
    width = max(len(row["name"]) for row in result["contenders"])
    head = f"{'run':{width}}  " + "  ".join(f"{name:>22}" for name in NAMES)
    lines = [head]
    for row in result["contenders"]:
        cells = (_with_interval(row["intervals"][name]) for name in NAMES)
        lines.append(f"{row['name']:{width}}  " + "  ".join(f"{cell:>22}" for cell in cells))
    return [*lines, *verdicts(result), *_cautions(result)]


def verdicts(result: dict) -> list[str]:
    """For each of the others, in a sentence, whether it differs from the first one."""
    first = result["contenders"][0]["name"]
    lines = []
    for row in result["differences"]:
        for name in ("AP", "AP50"):
            found = row[name]
            size = f"{abs(found['value']):.3f} {name}"
            if found["interval"] is None:
                lines.append(
                    f"{row['name']} and {first}: {size} apart, on one video: nothing can be said."
                )
                continue
            low, high = found["interval"]
            how = "better" if found["value"] > 0 else "worse"
            verdict = "the difference is real" if found["real"] else "that may be chance"
            lines.append(
                f"{row['name']} is {size} {how} than {first} "
                f"(95% interval {low:+.3f} to {high:+.3f}, p {found['p']:.3f}): {verdict}."
            )
    return lines


def _cautions(result: dict) -> list[str]:
    lines = []
    if result["videos"] and result["clusters"] < bootstrap.FEW:
        lines.append(
            f"These are {result['clusters']} videos only: the intervals are rough. "
            "Hold out more videos."
        )
    kinds = dict.fromkeys(row["trained_on"] for row in result["contenders"])
    if len(kinds) > 1:
        lines.append(
            "Not trained alike: " + "; ".join(f"{k}: {held_out.MEANING[k]}" for k in kinds)
        )
    return lines


def write(path: Path, result: dict) -> None:
    """Write the page `path` (ends in .html) and, beside it, the figures as JSON."""
    files.write_json(path.with_suffix(".json"), result)
    files.write_text(path, html(result))


def html(result: dict) -> str:
    """The page of the figures of `compare`."""
    rows = result["contenders"]
    what = "whole videos" if result["videos"] else "groups of frames (their names tell no video)"
    kinds = dict.fromkeys(row["trained_on"] for row in rows)
    return page.page(
        " / ".join(row["name"] for row in rows),
        f"{result['images']} images, {result['clusters']} {what} resampled with the same draws.",
        [
            ("Which is better?", page.bullets([*verdicts(result), *_cautions(result)])),
            (
                "The numbers",
                page.table(
                    ("run", *NAMES, "AR@100", "trained on"),
                    [
                        (
                            row["name"],
                            *(_with_interval(row["intervals"][name]) for name in NAMES),
                            row["metrics"][coco.AR100],
                            row["trained_on"],
                        )
                        for row in rows
                    ],
                )
                + page.bullets([f"{kind}: {held_out.MEANING[kind]}" for kind in kinds]),
            ),
            ("The differences", _differences(result)),
            ("Precision and recall at IoU .5", _curves(rows)),
            ("By video", _by_video(rows)),
        ],
    )


def _differences(result: dict) -> str:
    bars = [
        (f"{row['name']}, {name}", row[name]["value"], row[name]["interval"], _verdict(row[name]))
        for row in result["differences"]
        for name in NAMES
    ]
    caption = f"to {result['contenders'][0]['name']}, with 95% intervals; right of 0 is better."
    return page.figure(charts.intervals(bars), caption)


def _verdict(found: dict) -> str:
    return f"{found['value']:+.3f}{'' if found['real'] else ' (may be chance)'}"


def _curves(rows: Sequence[dict]) -> str:
    figures = []
    for class_ in rows[0]["precision_recall"]:
        series = {
            row["name"]: list(
                zip(
                    metrics.RECALL_THRESHOLDS.tolist(), row["precision_recall"][class_], strict=True
                )
            )
            for row in rows[: charts.SERIES]
            if row["precision_recall"][class_]
        }
        svg = charts.lines(series, "recall", "precision", unit_x=True)
        figures.append(page.figure(svg, class_))
    return page.row(*figures)


def _by_video(rows: Sequence[dict]) -> str:
    videos = [row["name"] for row in rows[0]["groups"].get("video", [])]
    if not videos:
        return ""
    of = [{row["name"]: row["AP50"] for row in one["groups"]["video"]} for one in rows]
    head = ("AP50 of", *(row["name"] for row in rows))
    return page.table(head, [(video, *(values[video] for values in of)) for video in videos])


def _with_interval(found: dict) -> str:
    if found["value"] is None:
        return "-"
    low_high = found["interval"]
    between = f" ({low_high[0]:.3f}-{low_high[1]:.3f})" if low_high else ""
    return f"{found['value']:.3f}{between}"

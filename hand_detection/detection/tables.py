"""Results as numbers: COCO JSON, CSV, KITTI. Written while they come, whole at the end."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hand_detection import files, kitti
from hand_detection.detection.results import Result, Write
from hand_detection.formats.base import number
from hand_detection.formats.csv import COLUMNS


@contextmanager
def coco_json(path: Path, names: dict[int, str], *, overwrite: bool) -> Iterator[Write]:
    """COCO's instances format, a score with each annotation.

    `annotations` alone is COCO's results format. bbox is x, y, width, height by the
    difference of the corners, as ./eval.sh --save-detections writes it. An image that is a
    video's frame has its place in it, from 0, as `frame`.

    Args:
        path: the file to make.
        names: class names by id.
        overwrite: move what stands at `path` aside.
    """
    with (
        files.new_file(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8") as file,
        # Both lists grow; the second one is put behind the first at the end.
        tempfile.TemporaryFile("w+", encoding="utf-8", dir=temporary.parent) as annotations,
    ):
        counted = {"images": 0, "annotations": 0}

        def entry(value: dict, key: str) -> str:
            counted[key] += 1
            return ("\n" if counted[key] == 1 else ",\n") + json.dumps(value, ensure_ascii=False)

        def write(result: Result) -> None:
            frame, (width, height) = result.frame, result.size
            image_id = counted["images"] + 1
            image = {"id": image_id, "file_name": frame.file, "width": width, "height": height}
            if frame.number is not None:
                image["frame"] = frame.number
            file.write(entry(image, "images"))
            for (_, category, score, _), box in zip(
                result.objects(), result.found.xywh.tolist(), strict=True
            ):
                annotation = {
                    "id": counted["annotations"] + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "score": score,
                }
                annotations.write(entry(annotation, "annotations"))

        file.write('{"images": [')
        yield write
        categories = [{"id": id_, "name": name} for id_, name in names.items()]
        file.write('\n],\n"categories": ' + json.dumps(categories, ensure_ascii=False))
        file.write(',\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("\n]}\n")


@contextmanager
def table(path: Path, *, overwrite: bool) -> Iterator[Write]:
    """CSV as `formats.csv` has it, with the columns frame and score: a row an object.

    A frame without any has a row with an empty class, box and score.
    """
    with (
        files.new_file(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "frame", "score"])

        def write(result: Result) -> None:
            frame = result.frame
            of_image = (frame.file, *result.size)
            place = "" if frame.number is None else frame.number
            rows = [
                (*of_image, name, *map(number, box), place, number(score))
                for name, _, score, box in result.objects()
            ]
            writer.writerows(rows or [(*of_image, *[""] * 5, place, "")])

        yield write


@contextmanager
def kitti_folder(path: Path, *, overwrite: bool) -> Iterator[Write]:
    """KITTI's results: a file a frame, a line an object, its 15 fields and the score."""
    with files.new_folder(path, overwrite=overwrite) as folder:

        def write(result: Result) -> None:
            text = "".join(
                f"{kitti.Label(name, tuple(map(number, box))).line()} {number(score)}\n"
                for name, _, score, box in result.objects()
            )
            (folder / f"{result.frame.name}.txt").write_text(text, encoding="utf-8")

        yield write

"""Small data sets, made on the spot: real JPEGs, real .mat files, real zips."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np

FIELDS = ("myleft", "myright", "yourleft", "yourright")
NAMES = ("CARDS_OFFICE_S_B", "PUZZLE_OFFICE_S_T", "SOME_OTHER_VIDEO")  # test, val, train


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of `size` (width, height) whose picture depends on the seed."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def polygons_mat(records: list[list[object]]) -> bytes:
    """A polygons.mat: a record a frame, in it a polygon (N, 2) or None for each of 4 hands."""
    from scipy.io import savemat

    polygons = np.zeros((1, len(records)), [(name, object) for name in FIELDS])
    for i, record in enumerate(records):
        for name, polygon in zip(FIELDS, [*record, None, None, None, None], strict=False):
            empty = np.zeros((0, 0), np.uint8)
            polygons[0, i][name] = empty if polygon is None else np.array(polygon, np.float64)
    out = io.BytesIO()
    savemat(out, {"polygons": polygons})
    return out.getvalue()


def archive_members(videos: int = 3, frames: int = 4) -> dict[str, bytes]:
    """The members of a small archive by name: frame i of a video has i % 5 hands."""
    members = {}
    for v in range(videos):
        folder = f"_LABELLED_SAMPLES/{NAMES[v]}"
        records = []
        for i in range(frames):
            members[f"{folder}/frame_{10 * i + 1:04d}.jpg"] = jpeg(100 * v + i)
            corner = [[3.5, 4.25], [20.5, 4.25], [20.5, 30.0]]
            records.append([np.add(corner, 5 * hand) for hand in range(i % 5)])
        members[f"{folder}/polygons.mat"] = polygons_mat(records)
    return members


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    """Write a zip of `members`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("README.txt", "not a frame")
        for name, data in members.items():
            file.writestr(name, data)
    return path


def kitti_folder(path: Path, frames: int = 10, size: tuple[int, int] = (64, 48)) -> Path:
    """A prepared data set of official video names: frame i has i % 3 boxes."""
    for folder in ("images", "labels"):
        (path / folder).mkdir(parents=True)
    for i in range(frames):
        name = f"{NAMES[i % 3]}_frame_{i:04d}"
        (path / "images" / f"{name}.jpg").write_bytes(jpeg(i, size))
        line = f"hand 0 0 0 {i} 0 {i + 16} 24 0 0 0 0 0 0 0\n"
        (path / "labels" / f"{name}.txt").write_text(line * (i % 3))
    return path


def shards(data: Path, split: str) -> list[Path]:
    """The TFRecord files of a split of a prepared data set, in order."""
    return sorted((data / "tfrecords").glob(f"{split}.record-*"))


def add_outlines(data: Path) -> Path:
    """Give each object of a prepared data set of `kitti_folder` an outline: its box, cornered."""
    (data / "polygons").mkdir()
    for label in sorted((data / "labels").iterdir()):
        outlines = []
        for line in label.read_text().splitlines():
            xmin, ymin, xmax, ymax = map(int, line.split()[4:8])
            # Another one for each object of a frame, so that their order shows.
            xmax -= 4 * len(outlines)
            outlines.append([[xmin, ymin, xmax, ymin, xmax, ymax - 8, xmin, ymax]])
        if outlines:
            (data / "polygons" / f"{label.stem}.json").write_text(json.dumps(outlines))
    return data


def contents(folder: Path) -> dict[str, bytes]:
    """Every visible file below a folder, by relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }

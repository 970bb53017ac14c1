#!/usr/bin/env python3
"""Write an archive of EgoHands' full size: 48 videos, 4,800 frames of 1280x720, every real box.

    benchmarks/full_size_archive.py BOXES ARCHIVE [--seed S]

BOXES has a line a frame, "VIDEO FRAME x y w h ...", 1-based, as the data set's own code gives its
boxes. Each frame is noise at a resolution at which its JPEG is about as large as a real one's; each
hand is a 24-gon whose official box is the one in BOXES. For measuring steps 3 and 4 at scale.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv

FIELDS = ("myleft", "myright", "yourleft", "yourright")
WIDTH, HEIGHT = 1280, 720


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("boxes", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    import numpy as np

    from hand_detection import files
    from hand_detection.console import Progress

    videos = read_boxes(arguments.boxes)
    rng = np.random.default_rng(arguments.seed)
    total = sum(map(len, videos.values()))
    with (
        files.whole_file(arguments.archive) as partial,
        zipfile.ZipFile(partial, "w") as archive,
        Progress(total, "frames", "frame") as bar,
    ):
        for video, frames in videos.items():
            folder = f"_LABELLED_SAMPLES/{video}"
            for number in frames:
                archive.writestr(f"{folder}/frame_{number:04d}.jpg", frame_jpeg(rng))
                bar.update()
            archive.writestr(f"{folder}/polygons.mat", polygons_mat(list(frames.values()), rng))


def read_boxes(path: Path) -> dict[str, dict[int, list[list[int]]]]:
    """Boxes (x, y, w, h; 1-based pixels) by video and frame number, in the file's order."""
    videos: dict[str, dict[int, list[list[int]]]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        video, number, *rest = line.split()
        values = list(map(int, rest))
        videos[video][int(number)] = [values[i : i + 4] for i in range(0, len(values), 4)]
    return videos


def frame_jpeg(rng) -> bytes:
    """A JPEG of about 250 KB: noise, enlarged so that it has a photograph's detail."""
    import cv2
    import numpy as np

    noise = rng.integers(0, 256, (HEIGHT // 6, WIDTH // 6, 3), np.uint8)
    frame = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 86])[1].tobytes()


def polygons_mat(frames: list[list[list[int]]], rng) -> bytes:
    """polygons.mat for these frames; which hand a box belongs to is drawn at random."""
    import numpy as np
    from scipy.io import savemat

    records = np.empty((1, len(frames)), [(name, object) for name in FIELDS])
    for column, boxes in enumerate(frames):
        for name in FIELDS:
            records[0, column][name] = np.zeros((0, 0), np.uint8)
        for field, box in zip(rng.permutation(4), boxes, strict=False):
            records[0, column][FIELDS[field]] = polygon(box, rng)
    buffer = io.BytesIO()
    savemat(buffer, {"polygons": records}, do_compression=True)
    return buffer.getvalue()


def polygon(box: list[int], rng):
    """A 24-gon, float64 (24, 2), that rounds and clamps to `box`; past the edge where it can be."""
    import numpy as np

    x, y, width, height = box
    low, high = np.array([x, y], float), np.array([x + width - 1, y + height - 1], float)
    low = np.where(low == 1, low - rng.uniform(0, 3, 2), low + rng.uniform(-0.49, 0.49, 2))
    edge = np.array([WIDTH, HEIGHT])
    high = np.where(high == edge, high + rng.uniform(0, 3, 2), high + rng.uniform(-0.49, 0.49, 2))
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # touches -1 and 1 on both axes
    return (low + high) / 2 + circle * (high - low) / 2


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)

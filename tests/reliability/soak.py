#!/usr/bin/env python3
"""Memory and time on large data: 100,000 frames' labels, and TFRecords of 10 GB.

tests/reliability/soak.py [--frames N] [--gigabytes N] [--folder DIR]

The frames are links to a few small pictures and the large records are files with holes, so that
little disk is taken; what is made is removed at the end. Each part runs in a process of its own,
whose peak memory is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]
from hand_detection import venv  # noqa: E402

RECORD = 64 << 20  # bytes of a large record


def main() -> None:
    """Make the data, run each part, print the table."""
    from hand_detection.console import positive_number

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=positive_number, default=100_000)
    parser.add_argument("--gigabytes", type=positive_number, default=10)
    parser.add_argument("--folder", type=Path, help="where to work (a temporary folder)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        PARTS[arguments.part](arguments.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak {peak:.0f}")
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        work = Path(folder)
        make_frames(work / "data", arguments.frames)
        make_records(work / "large", arguments.gigabytes << 30)
        print("| part | time | peak memory |\n|---|---|---|")
        for part in PARTS:
            started = time.monotonic()
            command = [sys.executable, __file__, "--part", part, "--folder", folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peak = done.stdout.split()[-1]
            print(f"| {part} | {time.monotonic() - started:.0f} s | {peak} MB |", flush=True)


def make_frames(data: Path, count: int) -> None:
    """A prepared data set of `count` frames, each with a label."""
    from small_data import jpeg

    for folder in ("images", "labels"):
        (data / folder).mkdir(parents=True)
    pictures = []
    for seed in range(8):
        pictures.append(data / f"{seed}.jpg")
        pictures[-1].write_bytes(jpeg(seed))
    for number in range(count):
        name = f"V{number % 40}_frame_{number:06d}"
        os.link(pictures[number % 8], data / "images" / f"{name}.jpg")
        (data / "labels" / f"{name}.txt").write_text("hand 0 0 0 1 2 30 40 0 0 0 0 0 0 0\n")


def make_records(folder: Path, size: int) -> None:
    """TFRecord files of `size` bytes that are holes, and their manifest."""
    from hand_detection import records, tfrecords

    folder.mkdir()
    head = struct.pack("<Q", RECORD)
    head += struct.pack("<I", records.masked_crc(head))
    shards = []
    for number in range(max(1, size >> 30)):
        path = folder / f"train.record-{number:05d}"
        count = (1 << 30) // RECORD
        with path.open("wb") as file:
            for at in range(count):
                file.seek(at * (RECORD + 16))
                file.write(head)
            file.truncate(count * (RECORD + 16))
        shards.append(
            {"name": path.name, "examples": count, "bytes": path.stat().st_size, "sha256": "0" * 64}
        )
    split = {"shards": shards, "boxes": 0, "frames": ["a"]}
    settings = {"split": "random", "seed": 1, "val_size": 1, "max_side": 0, "shards": 0}
    manifest = {
        "settings": {**settings, "classes": {"hand": 1}},
        "inputs": "",
        "splits": {"train": split},
    }
    (folder / tfrecords.MANIFEST).write_text(json.dumps(manifest))


def _count(work: Path) -> None:
    from hand_detection import records

    assert sum(map(records.count, (work / "large").glob("*.record-*"))) >= 16


def _verify(work: Path) -> None:
    from hand_detection import tfrecords

    assert tfrecords.examples_in(sorted((work / "large").glob("*.record-*"))) >= 16


def _hash(work: Path) -> None:
    from hand_detection import files

    for path in (work / "large").glob("*.record-*"):
        files.sha256(path)


def _labels(work: Path) -> None:
    from hand_detection import kitti

    for frame in kitti.list_frames(work / "data"):
        kitti.read_labels(frame.label, size=(64, 48), classes=("hand",))


def _create(work: Path) -> None:
    from hand_detection import tfrecords

    settings = tfrecords.Settings("random", 1, None, 0, 0, {"hand": 1})
    tfrecords.create(work / "data", settings, workers=1)


PARTS = {
    "counting the records of the large files": _count,
    "checking the large files by their manifest": _verify,
    "hashing the large files": _hash,
    "reading every frame's labels": _labels,
    "making TFRecords of every frame": _create,
}

if __name__ == "__main__":
    venv.enter()
    main()

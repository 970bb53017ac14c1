"""The steps that make the data, as the crash tests interrupt them."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
from conftest import ROOT
from server import serve_file
from small_data import archive_members, jpeg, kitti_folder, write_archive
from step import Step, visible

ZOO_NAME = "ssd_mobilenet_v1_coco_2018_01_28"


def _archive(inputs: Path) -> None:
    write_archive(inputs / "small.zip", archive_members(3, 60))


PREPARE = Step(
    "prepare",
    _archive,
    lambda inputs, out: [
        ROOT / "prepare_egohands.py", "--archive", inputs / "small.zip", "--out", out,
        "--workers", 2,
    ],
    visible,
    changing=r"dataset\.json",
)  # fmt: skip

SAMPLE = Step(
    "sample",
    lambda inputs: None,
    lambda inputs, out: [
        ROOT / "prepare_egohands.py", "--sample", "--videos", 2, "--frames", 2, "--out", out,
        "--workers", 2,
    ],
    lambda out: {
        # The archive's time of change is in the manifest, to know it again.
        name: re.sub(rb'"mtime_ns": \d+', b"", data) if name == "dataset.json" else data
        for name, data in visible(out).items()
    },
    changing=r"dataset\.json",
)  # fmt: skip


def _big_pictures(inputs: Path) -> None:
    kitti_folder(inputs / "data", 60, (640, 480))


TFRECORDS = Step(
    "TFRecords",
    _big_pictures,
    lambda inputs, out: [
        ROOT / "create_tfrecords.sh",
        "--data",
        out,
        "--shards",
        3,
        "--workers",
        2,
    ],
    visible,
    stage=lambda inputs, out: shutil.copytree(inputs / "data", out, dirs_exist_ok=True),
)


def _coco(inputs: Path) -> None:
    images = []
    (inputs / "images").mkdir()
    for number in range(60):
        name = f"images/{number}.jpg"
        (inputs / name).write_bytes(jpeg(number, (640, 480)))
        images.append({"id": number, "file_name": name, "width": 640, "height": 480})
    boxes = [
        {"id": i, "image_id": i % 60, "category_id": 1, "bbox": [i, 2, 30, 40]} for i in range(90)
    ]
    categories = [{"id": 1, "name": "hand"}]
    (inputs / "a.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": categories})
    )


CONVERT = Step(
    "prepare_dataset",
    _coco,
    lambda inputs, out: [
        ROOT / "tools/prepare_dataset.py", "--format", "coco", inputs / "a.json", out,
        "--workers", 2,
    ],
    visible,
)  # fmt: skip

EXPORT_DATASET = Step(
    "export_dataset",
    _big_pictures,
    lambda inputs, out: [ROOT / "tools/export_dataset.py", "--format", "voc", inputs / "data", out],
    visible,
)


def _zoo(inputs: Path) -> None:
    random = np.random.default_rng(0)
    with tarfile.open(inputs / f"{ZOO_NAME}.tar.gz", "w:gz", compresslevel=1) as tar:
        for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001", "checkpoint"):
            data = random.bytes(3_000_000)
            member = tarfile.TarInfo(f"{ZOO_NAME}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    url = serve_file(inputs / f"{ZOO_NAME}.tar.gz", bytes_a_second=10_000_000)
    (inputs / "url.txt").write_text(url.rpartition("/")[0])


DOWNLOAD = Step(
    "download",
    _zoo,
    lambda inputs, out: [
        sys.executable, Path(__file__).parent / "fetch_zoo.py", (inputs / "url.txt").read_text(),
        out, ZOO_NAME,
    ],
    lambda out: visible(out / "pretrained"),
)  # fmt: skip

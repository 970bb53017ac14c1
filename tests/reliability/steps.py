"""The steps that the crash tests interrupt: how each is run, and what it must leave."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import ROOT
from server import serve_file
from small_data import archive_members, jpeg, kitti_folder, write_archive

ZOO_NAME = "ssd_mobilenet_v1_coco_2018_01_28"
Result = dict[str, bytes]


@dataclass(frozen=True)
class Step:
    """A step of the tutorial.

    Attributes:
        name: for reports.
        inputs: makes what the step reads, in an empty folder, once.
        command: runs it, given the inputs' folder and the output's.
        stage: puts into the output's folder what must be there before; None for nothing, and
            not even the folder.
        result: what the output holds, by name: what is to be equal in the end, and never
            half-written in between. Hidden files are no part of it.
        changing: files that differ while the step is at work, but are whole at any time.
    """

    name: str
    inputs: Callable[[Path], None]
    command: Callable[[Path, Path], list[object]]
    result: Callable[[Path], Result]
    stage: Callable[[Path, Path], None] | None = None
    changing: str = r"(?!)"


def visible(folder: Path) -> Result:
    """Every file below a folder by its relative name; hidden ones and folders left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


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


def _clone(inputs: Path) -> None:
    import api_clone

    api_clone.make_project(inputs / "project", "0" * 40)
    api_clone.lend_wheel(inputs / "project")


PORT = Step(
    "install: the API",
    _clone,
    lambda inputs, out: [
        "env", f"PYTHONPATH={out}", sys.executable, "-m", "hand_detection.api.install",
        "--source", "registry",
    ],
    lambda out: {
        name: data
        for name, data in visible(out / "build").items()
        if not name.endswith(".pyc")
    },
    stage=lambda inputs, out: shutil.copytree(inputs / "project", out, dirs_exist_ok=True),
)  # fmt: skip

QUICK = (PREPARE, TFRECORDS, CONVERT, DOWNLOAD)
STEPS = (DOWNLOAD, PREPARE, SAMPLE, TFRECORDS, CONVERT, EXPORT_DATASET, PORT)


def run(step: Step, inputs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a step to its end."""
    return subprocess.run(
        list(map(str, step.command(inputs, out))),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        cwd=out if step.name.startswith("install") else None,
    )

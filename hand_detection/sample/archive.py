"""The archive: frames, polygons.mat and metadata.mat, zipped as EgoHands comes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from hand_detection.console import Progress
from hand_detection.files import whole_file
from hand_detection.parallel import default_workers, in_order
from hand_detection.sample.names import HANDS, names
from hand_detection.sample.video import VERSION, Video, make_video

FOLDER = "_LABELLED_SAMPLES"

README = """\
This is NOT the EgoHands data set. It is a generated sample in the same layout: drawn
scenes of two people at a table, for trying out code that reads EgoHands.

Generator version {version}, seed {seed}: {videos} videos of {frames} frames, {width}x{height}.

metadata.mat
    the videos, their labelled frames and polygons
{folder}/<VIDEO>/frame_NNNN.jpg
    the frames
{folder}/<VIDEO>/polygons.mat
    the outlines of the hands, one record a frame in the order of the file names; fields
    myleft, myright, yourleft and yourright, each (N, 2), x and y, 1-based, or empty where
    the hand is not seen

The real data set: S. Bambach, S. Lee, D. Crandall, C. Yu, "Lending A Hand: Detecting Hands
and Recognizing Activities in Complex Egocentric Interactions", ICCV 2015.
"""


def _records(polygons: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
    """EgoHands' struct array, (1, N), of the polygons of N frames."""
    records = np.empty((1, len(polygons)), [(hand, object) for hand in HANDS])
    for column, hands in enumerate(polygons):
        for hand in HANDS:
            # MATLAB wrote "no hand" as an empty array of bytes.
            records[0, column][hand] = hands.get(hand, np.zeros((0, 0), np.uint8))
    return records


def _mat(variables: dict[str, np.ndarray]) -> bytes:
    """The bytes of a MATLAB 5 file, without the date that SciPy writes into it."""
    buffer = io.BytesIO()
    savemat(buffer, variables)
    header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 2015"
    return header.ljust(116) + buffer.getvalue()[116:]


def _metadata(videos: Sequence[Video]) -> bytes:
    """metadata.mat: EgoHands' struct array of its videos, with the polygons once more."""
    fields = (
        "video_id",
        "partner_video_id",
        "ego_viewer_id",
        "partner_id",
        "location_id",
        "activity_id",
        "labelled_frames",
    )
    table = np.empty((1, len(videos)), [(name, object) for name in fields])
    for column, video in enumerate(videos):
        activity, location, viewer, partner = video.name.split("_")
        polygons = _records(video.polygons)
        labelled = np.empty(polygons.shape, [(name, object) for name in ("frame_num", *HANDS)])
        for frame, number in enumerate(video.numbers):
            labelled[0, frame] = (float(number), *polygons[0, frame])
        table[0, column] = (
            video.name,
            f"{activity}_{location}_{partner}_{viewer}",
            viewer,
            partner,
            location,
            activity,
            labelled,
        )
    return _mat({"video": table})


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member with a fixed date; JPEG is stored, as nothing more is to be gained."""
    member = zipfile.ZipInfo(name, (2015, 1, 1, 0, 0, 0))
    member.external_attr = 0o644 << 16
    packed = not name.endswith(".jpg")
    member.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    archive.writestr(member, data)


def _task(task: tuple[str, int, int, int, tuple[int, int]]) -> Video:
    cv2.setNumThreads(1)  # the workers already fill the cores
    return make_video(*task)


def generate(
    archive: Path,
    *,
    videos: int = 15,
    frames: int = 20,
    seed: int = 0,
    size: tuple[int, int] = (1280, 720),
    workers: int | None = None,
) -> None:
    """Write a generated data set as a zip in EgoHands' layout.

    The same `videos`, `frames`, `seed` and `size` give the same bytes, whatever the number
    of `workers`; and a video is the same in a data set of more videos.

    Args:
        archive: the zip to write; it appears once it is whole.
        videos: how many; the first 48 have EgoHands' own names.
        frames: labelled frames in each video.
        seed: 0 or more.
        size: width and height of a frame in pixels.
        workers: processes; None for one a core. More than one needs a main module that can
            be imported again (`if __name__ == "__main__"`), as everywhere in Python.
    """
    if videos < 1 or not 1 <= frames <= 9999 or seed < 0 or min(size) < 64:
        raise ValueError("videos and frames start at 1, the seed at 0, the size at 64 pixels")
    tasks = [(name, index, frames, seed, size) for index, name in enumerate(names(videos))]
    workers = min(workers or default_workers(), videos)
    done: list[Video] = []
    readme = README.format(
        version=VERSION,
        seed=seed,
        videos=videos,
        frames=frames,
        width=size[0],
        height=size[1],
        folder=FOLDER,
    )
    with (
        whole_file(archive) as temporary,
        zipfile.ZipFile(temporary, "w") as out,
        Progress(videos * frames, "drawing frames", "frame") as bar,
        closing(in_order(_task, tasks, workers)) as drawn,
    ):
        _write(out, "README.txt", readme.encode())
        for video in drawn:
            folder = f"{FOLDER}/{video.name}"
            for number, image in zip(video.numbers, video.images, strict=True):
                _write(out, f"{folder}/frame_{number:04d}.jpg", image)
            _write(out, f"{folder}/polygons.mat", _mat({"polygons": _records(video.polygons)}))
            video.images = []  # written: only the polygons are needed further, for metadata.mat
            done.append(video)
            bar.update(frames)
        _write(out, "metadata.mat", _metadata(done))

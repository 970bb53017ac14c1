"""The EgoHands data set (Bambach et al., ICCV 2015): its archive, polygons, boxes, split.

The archive holds `_LABELLED_SAMPLES/<VIDEO>/frame_NNNN.jpg` and one `polygons.mat` a
video; `prepare` makes a data set in the KITTI layout from it.
"""

from __future__ import annotations

import lzma
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hand_detection import matfile
from hand_detection.console import UserError
from hand_detection.paths import shown

ARCHIVE = "egohands_data.zip"
ADDRESSES = (
    f"http://vision.soic.indiana.edu/egohands_files/{ARCHIVE}",
    f"https://web.archive.org/web/20200713164330id_/"
    f"http://vision.soic.indiana.edu/egohands_files/{ARCHIVE}",
)
CLASS = "hand"
VIDEOS, FRAMES, HANDS = 48, 4800, 15053  # of the published data set

# The data set's own split by video (its getMetaBy.m); every other video is for training.
TEST = (
    "CARDS_COURTYARD_B_T",
    "CARDS_OFFICE_S_B",
    "CHESS_COURTYARD_B_T",
    "CHESS_LIVINGROOM_T_H",
    "JENGA_LIVINGROOM_S_T",
    "JENGA_OFFICE_H_T",
    "PUZZLE_COURTYARD_H_T",
    "PUZZLE_LIVINGROOM_T_B",
)
VAL = (
    "CARDS_LIVINGROOM_S_H",
    "CHESS_COURTYARD_H_S",
    "JENGA_COURTYARD_T_S",
    "PUZZLE_OFFICE_S_T",
)

# Whose hand: the wearer's or the other's, left or right.
_FIELDS = ("myleft", "myright", "yourleft", "yourright")
_MEMBER = re.compile(r"_LABELLED_SAMPLES/(\w+)/(frame_\d+\.jpg|polygons\.mat)", re.ASCII)
_FRAME_NAME = re.compile(r"(\w+)_frame_\d+", re.ASCII)
_MAX_BYTES = 64 << 20  # of one image or polygons.mat; real ones have 0.4 MB
_MAX_RATIO = 200  # of a member's bytes to its packed ones; a JPEG's is 1
# What zipfile raises on damage, beside BadZipFile.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def split_of(video: str) -> str:
    """The official split of a video: "train", "val" or "test"."""
    return "test" if video in TEST else "val" if video in VAL else "train"


def video_of(frame: str) -> str | None:
    """The video of a prepared frame named `<VIDEO>_frame_NNNN`; None for any other name."""
    match = _FRAME_NAME.fullmatch(frame)
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class Video:
    """A video's place in an archive: its frames in sorted file-name order, and polygons.mat."""

    name: str
    frames: tuple[zipfile.ZipInfo, ...]
    polygons: zipfile.ZipInfo

    def frame_name(self, frame: zipfile.ZipInfo) -> str:
        """What a frame is called in the prepared data set, without a suffix."""
        return f"{self.name}_{Path(frame.filename).stem}"


def read_index(archive: Path) -> list[Video]:
    """The videos in an archive, sorted by name. Nothing is unpacked.

    Members other than labelled frames and polygons are passed over, whatever they are.

    Raises:
        UserError: the file is not a whole EgoHands archive.
    """
    if not archive.is_file():
        raise UserError(f"there is no archive {shown(archive)}")
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
    except _ZIP_ERRORS as error:
        raise UserError(
            f"{shown(archive)} is not a whole zip archive ({error}): remove it and fetch it again"
        ) from None
    found: dict[str, dict[str, zipfile.ZipInfo]] = {}
    spelled: dict[str, str] = {}
    for member in members:
        match = _MEMBER.fullmatch(member.filename)
        if not match:
            continue
        where = f"{shown(archive)}: {member.filename}"
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{where} is a symbolic link, not a file")
        if member.file_size > _MAX_BYTES:
            raise UserError(f"{where} has {member.file_size} bytes: too many for this data set")
        if member.file_size > 4096 + _MAX_RATIO * member.compress_size:
            raise UserError(
                f"{where} has {member.file_size} bytes, packed {member.compress_size}: a zip bomb?"
            )
        if spelled.setdefault(member.filename.lower(), member.filename) != member.filename:
            raise UserError(
                f"{where} and {spelled[member.filename.lower()]} differ in case alone: on some "
                "disks one would take the other's place"
            )
        video = found.setdefault(match[1], {})
        if match[2] in video:
            raise UserError(f"{where} is in the archive twice")
        video[match[2]] = member
    if not found:
        raise UserError(
            f"{shown(archive)} is no EgoHands archive: it has no "
            "_LABELLED_SAMPLES/<VIDEO>/frame_NNNN.jpg"
        )
    _refuse_overlap(archive, members)
    videos = []
    for name in sorted(found):
        polygons = found[name].pop("polygons.mat", None)
        if polygons is None:
            raise UserError(f"{shown(archive)}: video {name} has no polygons.mat")
        frames = tuple(found[name][frame] for frame in sorted(found[name]))
        if not frames:
            raise UserError(f"{shown(archive)}: video {name} has no frame_NNNN.jpg")
        videos.append(Video(name, frames, polygons))
    return videos


def _refuse_overlap(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive whose members overlap, as a small bomb's do."""
    packed, size = sum(member.compress_size for member in members), archive.stat().st_size
    if packed > size:
        raise UserError(
            f"{shown(archive)} has members of {packed} bytes in a file of {size}: a zip bomb?"
        )


def read_member(file: zipfile.ZipFile, member: zipfile.ZipInfo, count: int = -1) -> bytes:
    """The bytes of a member of an open archive, checked against its CRC; or the first `count`.

    Raises:
        UserError: it is damaged.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(
            f"{shown(file.filename)}: {member.filename} is compressed by method "
            f"{member.compress_type}: EgoHands' own is 8, or 0 for none"
        )
    try:
        with file.open(member) as opened:
            return opened.read(count)
    except (*_ZIP_ERRORS, OSError) as error:
        raise UserError(
            f"{shown(file.filename)}: {member.filename} is damaged ({error}): "
            "remove the archive and fetch it again"
        ) from None


def read_polygons(data: bytes, video: str, frames: int) -> list[list[np.ndarray]]:
    """The hands in each of a video's `frames` frames.

    Args:
        data: a polygons.mat file. Its variable `polygons` is a struct array (1, frames)
            whose four fields each hold one hand: (N, 2) x, y in pixels from 1, sub-pixel,
            perhaps outside the frame; or an empty array where there is no hand.
        video: its name, for messages.
        frames: how many records there must be.

    Returns:
        For each frame the polygons of its hands, (N, 2) float64 with N >= 1.

    Raises:
        UserError: the file is not as it should be; names the video and the record.
    """
    where = f"video {video}: polygons.mat"
    try:
        found = matfile.read_struct(data, "polygons", _MAX_BYTES)
    except ValueError as error:
        raise UserError(f"{where} is not a MATLAB 5 file of polygons: {error}") from None
    if found is None:
        raise UserError(f"{where} has no variable 'polygons'")
    missing = [name for name in _FIELDS if name not in found.fields]
    if missing:
        raise UserError(f"{where}: polygons has no field {', '.join(missing)}")
    if found.shape not in ((1, frames), (frames, 1)):
        raise UserError(
            f"{where} has {len(found.records)} records, shape {found.shape}, for {frames} frames"
        )
    hands = []
    for number, record in enumerate(found.records, start=1):
        polygons = []
        for name in _FIELDS:
            polygon = record[name]
            problem = _problem(polygon)
            if problem:
                raise UserError(f"{where}, record {number}, {name}: {problem}")
            if polygon.size:
                polygons.append(polygon.astype(np.float64))
        hands.append(polygons)
    return hands


def _problem(polygon: np.ndarray) -> str:
    if polygon.size and (polygon.ndim != 2 or polygon.shape[1] != 2):
        return f"shape {polygon.shape} where a polygon has (N, 2)"
    if not np.isfinite(polygon).all():
        return "a coordinate is NaN or infinite"
    return ""


def official_box(polygon: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """The box (xmin, ymin, xmax, ymax) of a polygon as the data set's own code has it.

    Args:
        polygon: (N, 2) x, y in pixels from 1.
        width, height: of the frame in pixels.

    Returns:
        Pixels from 1, both ends included: the width is xmax - xmin + 1, the least is 1.
    """
    low, high = _matlab_round(polygon.min(axis=0)), _matlab_round(polygon.max(axis=0))
    frame = (width, height)
    xmin, ymin = (int(v) for v in np.clip(low, 1, frame))
    xmax, ymax = (int(v) for v in np.clip(high, 1, frame))
    return xmin, ymin, xmax, ymax


def _matlab_round(values: np.ndarray) -> np.ndarray:
    """Round half away from zero, as MATLAB does; NumPy rounds half to even."""
    whole = np.trunc(values)
    return whole + np.copysign(np.abs(values - whole) >= 0.5, values)

"""Inputs as a user names them -> frames: images, folders, patterns, videos and cameras."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection.console import UserError
from hand_detection.detection import opencv
from hand_detection.formats import base, pixels
from hand_detection.paths import shown

IMAGES = base.SUFFIXES
VIDEOS = (".mp4", ".avi", ".mov", ".mkv")
DECODERS = 2  # threads for images; a video's decoder has its own
_AHEAD = 4  # images decoded before they are asked for
_FRAME_NUMBER = re.compile(r"_frame_\d{6,}$")  # what is put behind a video's name


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture to detect in.

    Attributes:
        file: of what file it comes, relative to what all inputs have in common; or camera0.
        name: its own, unique among all frames, fit for a file's name.
        pixels: uint8 (height, width, 3), RGB, upright.
        number: its place in its video, from 0; None for an image.
        rate: frames a second of its video; None for an image, or if unknown.
    """

    file: str
    name: str
    pixels: np.ndarray
    number: int | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image file."""

    path: Path
    file: str
    name: str
    count = 1

    def read(self) -> Frame:
        """Decode it.

        Raises:
            UserError: it is no image, cut, or damaged.
        """
        try:
            _refuse_device(self.path)
            data = self.path.read_bytes()
        except OSError as error:
            raise UserError(f"no image {shown(self.path)}: {error.strerror}") from None
        picture = pixels.rgb(data, shown(self.path))
        return Frame(self.file, self.name, np.asarray(picture))


@dataclass(frozen=True, slots=True)
class Video:
    """A video file. `count` is the number of frames that it states, None if it does not."""

    path: Path
    file: str
    name: str
    count: int | None
    rate: float | None

    def frames(self) -> Iterator[Frame]:
        """Decode it.

        Raises:
            UserError: it ends before the frame that it states as its last; after its frames.
        """
        cv2 = opencv.activate()
        capture = _open_video(self.path)
        number, at = 0, 0.0
        try:
            while (picture := _next(cv2, capture)) is not None:
                at = capture.get(cv2.CAP_PROP_POS_MSEC)
                yield Frame(
                    self.file, f"{self.name}_frame_{number:06d}", picture, number, self.rate
                )
                number += 1
        finally:
            capture.release()
        # A count may be the length times a mean rate: the clock must say so too.
        if self.count and number < self.count - 1:
            due = (self.count - 2) * 1000 / self.rate if self.rate else at + 1
            if at < due:
                raise UserError(
                    f"{shown(self.path)} ends early: {number} of its {self.count} frames could be "
                    "read: copy it again, or repair it with ffmpeg"
                )


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, by OpenCV's number."""

    number: int
    count = None

    @property
    def file(self) -> str:
        return f"camera{self.number}"

    def frames(self) -> Iterator[Frame]:
        """What it sees, for ever.

        Raises:
            UserError: it is not there, or gives no more pictures.
        """
        cv2 = opencv.activate()
        capture = cv2.VideoCapture(self.number)
        seen = 0
        try:
            if not capture.isOpened():
                raise UserError(f"there is no camera {self.number}: {_cameras()}")
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # else what is shown lags behind
            rate = capture.get(cv2.CAP_PROP_FPS) or None
            while (picture := _next(cv2, capture)) is not None:
                yield Frame(self.file, f"{self.file}_frame_{seen:06d}", picture, seen, rate)
                seen += 1
        finally:
            capture.release()
        raise UserError(f"camera {self.number} stopped after {seen} frames: is it in use, or out?")


Source = Image | Video | Camera


def find(inputs: Sequence[str], cameras: Sequence[int] = ()) -> list[Source]:
    """The sources that the inputs name, each once, in their order; videos are opened to see.

    Args:
        inputs: image and video files, folders (searched at any depth), and patterns.
        cameras: OpenCV's numbers.

    Raises:
        UserError: an input names nothing, or nothing that can be read; or two files of the
            inputs would give frames of one name.
    """
    paths = {path.resolve(): path for text in inputs for path in _files(text)}
    if not paths:
        return [Camera(number) for number in cameras]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    found: dict[str, Source] = {}
    for whole, path in paths.items():
        relative = whole.relative_to(root)
        name = base.frame_name(relative)
        if name in found:
            raise UserError(
                f"{shown(path)} and {found[name].file} would both become {name}: rename one"
            )
        if path.suffix.lower() in VIDEOS:
            found[name] = _video(path, relative.as_posix(), name)
        else:
            found[name] = Image(path, relative.as_posix(), name)
    for camera in map(Camera, cameras):
        if found.setdefault(camera.file, camera) != camera:
            raise UserError(f"{found[camera.file].file} has the name of a camera: rename it")
    for name, source in found.items():
        clip = found.get(_FRAME_NUMBER.sub("", name), source)
        if isinstance(source, Image) and not isinstance(clip, Image):
            raise UserError(
                f"{shown(source.path)} has the name of a frame of {clip.file}: rename one"
            )
    return list(found.values())


def total(sources: Sequence[Source]) -> int | None:
    """How many frames they have, None if one of them does not tell."""
    counts = [source.count for source in sources]
    return None if None in counts else sum(counts)


def frames(sources: Iterable[Source], faulty: Callable[[str], None]) -> Iterator[Frame]:
    """The frames of all sources in their order.

    Args:
        sources: where from.
        faulty: is told of each source that cannot be read, or not to its end; the others'
            frames follow.
    """
    for kind, group in groupby(sources, type):
        if kind is Image:
            for decoded in _ahead(Image.read, group):
                try:
                    frame = decoded.result()
                except UserError as error:
                    faulty(str(error))
                else:
                    yield frame
            continue
        for source in group:
            try:
                yield from source.frames()
            except UserError as error:
                faulty(str(error))


def _ahead(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Future]:
    """`function` of each item in their order, by a few threads that are a few items ahead."""
    pool = ThreadPoolExecutor(DECODERS, "decode")
    pending: deque[Future] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > _AHEAD:
                yield pending.popleft()
        while pending:
            yield pending.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def _files(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = sorted(
            one
            for one in path.rglob("*")
            if _is_known(one)
            and not any(part.startswith(".") for part in one.relative_to(path).parts)
        )
        if not found:
            raise UserError(f"there is no image or video in {shown(path)}")
        return found
    if path.exists():
        _refuse_device(path)
        if not _is_known(path):
            known = ", ".join((*IMAGES, *VIDEOS))
            raise UserError(f"{shown(path)} is no image or video by its ending: {known} are")
        return [path]
    if set("*?[") & set(text):
        start = Path(path.anchor or ".")
        found = sorted(filter(_is_known, start.glob(str(path.relative_to(path.anchor)))))
        if not found:
            raise UserError(f"no image or video matches {text}")
        return found
    raise UserError(f"there is no {shown(path)}")


def _refuse_device(path: Path) -> None:
    """A pipe may never end, and /dev/zero does not."""
    if path.exists() and not path.is_file():
        raise UserError(f"{shown(path)} is no regular file: name one that holds the picture")


def _is_known(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGES, *VIDEOS) and path.is_file()


def _video(path: Path, file: str, name: str) -> Video:
    cv2 = opencv.activate()
    capture = _open_video(path)
    count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return Video(path, file, name, int(count) if count > 0 else None, rate if rate > 0 else None)


def _open_video(path: Path) -> Any:
    cv2 = opencv.activate()
    # Named, since other readers take a % in the path for a series of images.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        what = "is cut or damaged, or no video" if path.stat().st_size else "is empty"
        raise UserError(f"{shown(path)} {what}: it cannot be opened")
    return capture


def _next(cv2: Any, capture: Any) -> np.ndarray | None:
    read, picture = capture.read()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if read else None


def _cameras() -> str:
    found = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video[0-9]*"))
    return f"this machine has {', '.join(found)}" if found else "this machine has none"

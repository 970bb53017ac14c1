"""Results as pictures: image files, a video, a window."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hand_detection import files
from hand_detection.console import UserError
from hand_detection.detection import opencv
from hand_detection.detection.results import Result, Write
from hand_detection.paths import shown

CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
RATE = 10.0  # frames a second of a video made of images
WINDOW = "detections (q ends)"


@contextmanager
def image_files(path: Path, *, overwrite: bool) -> Iterator[Write]:
    """A JPEG a frame in the folder `path`."""
    with files.new_folder(path, overwrite=overwrite) as folder:

        def write(result: Result) -> None:
            result.save(folder / f"{result.frame.name}.jpg")

        yield write


@contextmanager
def video(path: Path, *, overwrite: bool) -> Iterator[Write]:
    """A video of all frames at the rate of the first one's video.

    Raises:
        UserError: it cannot be written, or a frame is not as large as the first one.
    """
    cv2 = opencv.activate()
    # OpenCV chooses the container by the name's ending.
    with files.new_file(path, overwrite=overwrite, suffix=f".partial{path.suffix}") as temporary:
        temporary.touch()
        writer, first = None, ()

        def write(result: Result) -> None:
            nonlocal writer, first
            if writer is None:
                first = result.size
                codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
                rate = result.frame.rate or RATE
                writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, codec, rate, first)
                if not writer.isOpened():
                    raise UserError(f"{shown(path)} cannot be written: OpenCV has no encoder here")
            elif result.size != first:
                raise UserError(
                    f"{result.frame.name} is {result.size[0]} x {result.size[1]}, the video "
                    f"{first[0]} x {first[1]}: --save-video takes frames of one size"
                )
            writer.write(cv2.cvtColor(np.asarray(result.drawn), cv2.COLOR_RGB2BGR))

        try:
            yield write
        finally:
            if writer is not None:
                writer.release()


@contextmanager
def window(stop: list) -> Iterator[Write]:
    """Show each frame, videos at their own rate at most; the key q puts a mark into `stop`."""
    cv2 = opencv.activate()
    due = time.monotonic()

    def write(result: Result) -> None:
        nonlocal due
        cv2.imshow(WINDOW, cv2.cvtColor(np.asarray(result.drawn), cv2.COLOR_RGB2BGR))
        due += 1 / (result.frame.rate or RATE)
        wait = max(1, round((due - time.monotonic()) * 1000))
        if cv2.waitKey(wait) == ord("q"):
            stop.append("q")
        due = max(due, time.monotonic())

    try:
        yield write
    finally:
        cv2.destroyAllWindows()

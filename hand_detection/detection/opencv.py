"""OpenCV for videos and cameras, without what its libraries print beside our one line."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import Any

from hand_detection.console import UserError


@cache
def activate() -> Any:
    """The module cv2. FFmpeg and OpenCV print nothing: what fails is told by who notices."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read at the first video
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def check_windows() -> None:
    """See that this OpenCV and this machine can show a window.

    Raises:
        UserError: they cannot; OpenCV itself would end the process, or raise deep inside.
    """
    built = re.search(r"GUI:\s*(\S+)", activate().getBuildInformation())
    if built is None or built[1] == "NONE":
        raise UserError(
            "--show: the OpenCV here has no windows (opencv-python-headless): use --save-video, "
            "or put opencv-python in its place"
        )
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise UserError("--show: there is no display here: use --save-video or --save-images")

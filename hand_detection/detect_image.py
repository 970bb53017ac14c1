"""Detection in images with an exported model. Step 8.

python -m hand_detection.detect_image [--model DIR] [--threshold T] [--output FILE] IMAGE ...
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from hand_detection import console, detectors, files, images
from hand_detection.console import UserError, say
from hand_detection.detect import class_names, find_export, score
from hand_detection.detection.results import Result
from hand_detection.detection.sources import Image
from hand_detection.paths import shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="detect_image.sh",
        description="Step 8: detect hands in images and draw them.",
        epilog="With several images, --output is a folder, or becomes one less .jpg or .png.",
    )
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG, WebP, BMP or TIFF files"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="an exported model: its name below exported/, or its folder (default: the one there)",
    )
    parser.add_argument(
        "--threshold",
        type=score,
        default=0.5,
        metavar="SCORE",
        help="draw what scores at least this, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("detection_output.jpg"),
        help="the picture to write, a .jpg or .png (default: %(default)s)",
    )
    arguments = parser.parse_args()
    targets = _targets(arguments.images, arguments.output)
    if wrong := [target for target in targets if target.suffix.lower() not in images.SUFFIXES]:
        parser.error(f"--output {wrong[0]}: name a .jpg or .png file, or a folder that is there")
    path = find_export(arguments.model)
    names = class_names(path)
    # All are read before the model: a wrong one is told at once.
    frames = [Image(path, shown(path), path.stem).read() for path in arguments.images]
    for target in targets:
        if target.exists() and any(map(target.samefile, arguments.images)):
            raise UserError(f"{shown(target)} is one of the images: name another --output")

    started = time.monotonic()
    detector = detectors.open_model(path)
    say(f"{shown(path.parent)} loaded in {time.monotonic() - started:.1f} s")
    for frame, target in zip(frames, targets, strict=True):
        started = time.monotonic()
        [found] = detector.detect_batch(frame.pixels[np.newaxis])
        milliseconds = (time.monotonic() - started) * 1000
        result = Result(frame, found.only(found.scores >= arguments.threshold), names)
        say(f"{frame.file}: {len(result.found.boxes)} found in {milliseconds:.0f} ms")
        for line in result.lines():
            say(f"  {line}")
        kind = "PNG" if target.suffix.lower() == ".png" else "JPEG"
        with files.whole_file(target) as temporary:
            result.save(temporary, kind)
        say(f"  drawn into {shown(target)}")


def _targets(sources: list[Path], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if not output.is_dir() and output.suffix.lower() in images.SUFFIXES:
        output = output.with_suffix("")
    return [
        output / f"{number:03d}_{path.stem}{'.png' if path.suffix.lower() == '.png' else '.jpg'}"
        for number, path in enumerate(sources, 1)
    ]


if __name__ == "__main__":
    console.run(main)

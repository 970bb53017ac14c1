"""Detection in images with an exported model. Step 8.

python -m hand_detection.detect_image [--model DIR] [--threshold T] [--output FILE] IMAGE ...
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from hand_detection import console, detectors, files
from hand_detection.console import say
from hand_detection.detect import class_names, find_export, score
from hand_detection.detection.results import Result
from hand_detection.detection.sources import Image
from hand_detection.paths import shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="detect_image.sh",
        description="Step 8: detect hands in images and draw them.",
        epilog="With several images, --output is a folder.",
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="JPEG or PNG files")
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
        help="the picture to write (default: %(default)s)",
    )
    arguments = parser.parse_args()
    path = find_export(arguments.model)
    names = class_names(path)
    # All are read before the model: a wrong one is told at once.
    frames = [Image(path, shown(path), path.stem).read() for path in arguments.images]
    targets = _targets(arguments.images, arguments.output)

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
            result.drawn.save(temporary, kind, quality=92)
        say(f"  drawn into {shown(target)}")


def _targets(sources: list[Path], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.is_file() or output.suffix:
        output = output.with_suffix("")
    return [output / f"{number:03d}_{path.name}" for number, path in enumerate(sources, 1)]


if __name__ == "__main__":
    console.run(main)

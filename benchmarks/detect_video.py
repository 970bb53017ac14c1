#!/usr/bin/env python3
"""How fast a video is detected in: decoding alone, the network alone, and all with the output.

benchmarks/detect_video.py --images DIR --model EXPORT ...

A video is made of the images first. Decoding alone and the network alone each have all processors.
With enough processors, the whole should be as fast as the slowest part; where both parts fill all
processors by themselves, it cannot be faster than the two one after the other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv


def main() -> None:
    from hand_detection import console

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--images", type=Path, required=True, metavar="DIR", help="of one size")
    add("--model", action="append", required=True, metavar="EXPORT", help="may be repeated")
    add("--frames", type=console.positive_number, default=300)
    add(
        "--batch", type=console.positive_number, default=4, help="also tried beside 1 (%(default)s)"
    )
    add("--rounds", type=console.positive_number, default=3)
    add("--codec", default="MJPG", choices=("MJPG", "mp4v"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Make the video, and print frames a second of each part, the best of the rounds."""
    import cv2
    import numpy as np

    from hand_detection import detect, detectors
    from hand_detection.console import say
    from hand_detection.detection import loop, pictures, sources, tables

    images = [each.path for each in sources.find([str(arguments.images)])][: arguments.frames]
    video = folder / ("video.avi" if arguments.codec == "MJPG" else "video.mp4")
    first = cv2.imread(str(images[0]))
    code = cv2.VideoWriter_fourcc(*arguments.codec)
    writer = cv2.VideoWriter(str(video), cv2.CAP_FFMPEG, code, 30.0, first.shape[1::-1])
    for image in images:
        writer.write(cv2.imread(str(image)))
    writer.release()
    [source] = sources.find([str(video)])

    def decode() -> int:
        return sum(1 for _ in source.frames())

    def rate(work) -> tuple[float, float]:
        """Frames a second, and how many processors were at work."""
        started, before = time.perf_counter(), time.process_time()
        frames = work()
        seconds = time.perf_counter() - started
        return frames / seconds, (time.process_time() - before) / seconds

    opened = {model: detectors.open_model(detect.find_export(model)) for model in arguments.model}
    batch = [frame for frame, _ in zip(source.frames(), range(arguments.batch), strict=False)]
    pixels = np.stack([frame.pixels for frame in batch])
    rates: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, work) -> None:
        rates.setdefault(name, []).append(rate(work))

    for number in range(arguments.rounds):
        note("decoding alone", decode)
        for model, detector in opened.items():
            sizes = [detector.batch] if detector.batch else sorted({1, len(pixels)})
            for size in sizes:
                note(f"{model}: network alone, batch {size}", network(detector, pixels[:size]))
            for kind in ("JSON", "video"):

                def whole(detector=detector, size=sizes[-1], number=number, kind=kind) -> int:
                    path = folder / f"{number}.{'json' if kind == 'JSON' else 'mp4'}"
                    output = (
                        tables.coco_json(path, {}, overwrite=True)
                        if kind == "JSON"
                        else pictures.video(path, overwrite=True)
                    )
                    with output as write:
                        frames = sources.frames([source], print)
                        return loop.detect(frames, detector, {}, [write], total=0, batch_size=size)[
                            "frames"
                        ]

                note(f"{model}: video to {kind}", whole)
    say()
    for name, found in rates.items():
        frames, processors = max(found)
        others = ", ".join(f"{each:.1f}" for each, _ in found)
        say(f"{name:50} {frames:7.1f} frames/s, {processors:.1f} processors (of {others})")
    decoding, _ = max(rates["decoding alone"])
    for model in opened:
        alone, _ = max(
            max(found) for name, found in rates.items() if name.startswith(f"{model}: network")
        )
        both = 1 / (1 / decoding + 1 / alone)
        say(f"{model + ': decoding, then the network':50} {both:7.1f} frames/s, worked out")


def network(detector, images):
    """What runs the network over about 100 images and tells how many; warmed up."""
    pixels = detector.preprocess(images)
    detector.infer(pixels)
    times = -(-100 // len(images))

    def work() -> int:
        for _ in range(times):
            detector.infer(pixels)
        return times * len(images)

    return work


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)

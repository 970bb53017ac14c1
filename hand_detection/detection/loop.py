"""The job: decode, detect, and write, at the same time and in the order of the frames."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from hand_detection import coco, detectors
from hand_detection.console import Progress, say, stop_signals
from hand_detection.detection.overlap import Busy, in_thread
from hand_detection.detection.results import Result, Write
from hand_detection.detection.sources import Frame

BATCH = 4
AHEAD = 2  # items that a stage may be ahead of the next one: what bounds the memory
_RECENT = 30  # frames over which the shown rate is taken


def detect(
    frames: Iterable[Frame],
    detector: detectors.Detector,
    names: dict[int, str],
    writes: Sequence[Write],
    *,
    total: int | None,
    threshold: float = 0.5,
    batch_size: int = BATCH,
    overlay: bool = False,
    stop: list | None = None,
) -> Counter[str]:
    """Detect in all frames, and hand each result to all `writes`, in order; say how it went.

    Args:
        frames: made in a thread of their own.
        detector: runs in another.
        names: class names by id.
        writes: called in this thread.
        total: how many frames there will be, None if unknown, 0 for no progress bar.
        threshold: least score.
        batch_size: how many frames of one size are detected in at once, at most.
        overlay: write the rate into the pictures.
        stop: what makes the work end after the frame at hand, once it is not empty. SIGINT
            and SIGTERM are added to it.

    Returns:
        How many "frames" there were, and objects by class name.
    """
    stop = [] if stop is None else stop
    # More than the model takes at once would be put together only to be taken apart again.
    batch_size = min(batch_size, detector.batch or batch_size)
    decoding, detecting, writing = Busy(), Busy(), Busy()
    counts: Counter[str] = Counter(frames=0)
    recent: deque[float] = deque(maxlen=_RECENT)
    started = time.monotonic()
    with (
        stop_signals() as signals,
        Progress(total, "detect", "frames") if total != 0 else ExitStack() as bar,
        in_thread(_batches(decoding.making(frames), batch_size), AHEAD, "decode") as batches,
        in_thread(_detected(batches, detector, detecting), AHEAD, "detect") as results,
    ):
        for frame, boxes in results:
            recent.append(time.monotonic())
            with writing.working(1):
                note = _rate(recent) if overlay else ""
                result = Result(frame, boxes.only(boxes.scores >= threshold), names, note)
                for write in writes:
                    write(result)
            counts["frames"] += 1
            counts.update(name for name, *_ in result.objects())
            if isinstance(bar, Progress):
                bar.update()
            if stop or signals:
                break
    stop += signals
    _say_speed(counts, time.monotonic() - started, decoding, detecting, writing)
    return counts


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Neighbouring frames of one size, at most `size` of them together."""
    batch: list[Frame] = []
    for frame in frames:
        if batch and frame.pixels.shape != batch[0].pixels.shape:
            yield batch
            batch = []
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _detected(
    batches: Iterator[list[Frame]], detector: detectors.Detector, busy: Busy
) -> Iterator[tuple[Frame, coco.Boxes]]:
    for batch in batches:
        with busy.working(len(batch)):
            images = [frame.pixels for frame in batch]
            found = detector.detect_batch(np.stack(images) if len(images) > 1 else images[0][None])
        yield from zip(batch, found, strict=True)


def _rate(times: deque[float]) -> str:
    if len(times) < 2:
        return ""
    return f"{(len(times) - 1) / max(times[-1] - times[0], 1e-9):.1f} frames/s"


def _say_speed(
    counts: Counter[str], seconds: float, decoding: Busy, detecting: Busy, writing: Busy
) -> None:
    if not counts["frames"]:
        return
    found = ", ".join(f"{count:,} {name}" for name, count in counts.items() if name != "frames")
    rate = counts["frames"] / seconds
    say(
        f"{counts['frames']:,} frames in {seconds:.1f} s, {rate:.1f} frames/s: {found or 'nothing'}"
    )
    say(
        f"a frame, side by side: {decoding.milliseconds:.1f} ms decoding, "
        f"{detecting.milliseconds:.1f} ms detection, {writing.milliseconds:.1f} ms output"
    )

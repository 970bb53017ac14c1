"""Detection with an exported model in images, videos and cameras.

tools/detect.py --model EXPORT [--json FILE] [--save-video FILE] ... INPUT ...

Decoding, detection, and drawing with writing run at the same time, each in a thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hand_detection import detectors, labelmap, models
from hand_detection.console import UserError, positive_number, say, whole_number
from hand_detection.detection import loop, opencv, pictures, sources, tables
from hand_detection.detection.results import Result, Write
from hand_detection.exported import FAILED, LABEL_MAP, RECORD
from hand_detection.paths import EXPORTED, shown


def main() -> None:
    """Parse the command line, detect, write what was asked for."""
    arguments = _parser().parse_args()
    if not arguments.inputs and not arguments.camera:
        _parser().error("name an INPUT, or a --camera")
    found = sources.find(arguments.inputs, arguments.camera)
    _check_outputs(arguments, found)
    if arguments.show:
        opencv.check_windows()
    path = find_export(arguments.model)
    names = class_names(path, arguments.label_map)
    live = bool(arguments.camera) or arguments.show

    faults: list[str] = []
    with ExitStack() as outputs:
        stop: list = []
        writes = _open_outputs(arguments, names, stop, outputs)
        started = time.monotonic()
        detector = detectors.open_model(path)
        say(f"{shown(path)} loaded in {time.monotonic() - started:.1f} s")
        counts = loop.detect(
            sources.frames(found, faults.append),
            detector,
            names,
            writes or [_say_result],
            total=sources.total(found) if writes else 0,
            threshold=arguments.threshold,
            batch_size=1 if live else arguments.batch,
            overlay=arguments.overlay,
            stop=stop,
        )
        if faults and not counts["frames"]:
            raise UserError(_fault(faults, len(found), kept=False))
    for name in OUTPUTS:
        if target := getattr(arguments, name):
            say(f"{OUTPUTS[name]}: {shown(target)}")
    if faults:
        raise UserError(_fault(faults, len(found), kept=bool(writes)))
    if signals := [number for number in stop if isinstance(number, int)]:
        say(f"stopped after {counts['frames']} frames" + (": they are kept" if writes else ""))
        sys.exit(128 + signals[0])


OUTPUTS = {
    "json": "COCO JSON",
    "csv": "CSV",
    "kitti": "KITTI labels",
    "save_images": "pictures",
    "save_video": "video",
}
"""What each output is called, by its option."""


def find_export(model: str | None) -> Path:
    """The exported model that is named, below exported/ or by its path; or the newest there.

    Raises:
        UserError: there is none; the text says what to run first.
    """
    if model is not None:
        below = EXPORTED / model
        return detectors.locate_unchanged(
            below if below.exists() and not Path(model).exists() else Path(model)
        )
    found = EXPORTED.glob(f"[!.]*/{RECORD}")
    records = [record for record in found if FAILED not in record.parent.name]
    newest = max(records, key=lambda record: record.stat().st_mtime, default=None)
    if newest is None:
        raise UserError(
            f"no exported model in {shown(EXPORTED)}: run ./export.sh {models.names()[0]} first"
        )
    return detectors.locate_unchanged(newest.parent)


def class_names(export: Path, label_map: Path | None = None) -> dict[int, str]:
    """Class names by id: of `label_map`, or of the one beside the exported model.

    Raises:
        UserError: there is none, or it is wrong.
    """
    if label_map is None:
        label_map = export.parent / LABEL_MAP
        if not label_map.is_file():
            raise UserError(
                f"there is no {LABEL_MAP} beside {shown(export)}, so the classes have no names: "
                "name one with --label-map, or keep the folder by ./export.sh together"
            )
    return {id_: name for name, id_ in labelmap.read_label_map(label_map).items()}


def score(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/detect.py",
        description="Detect in images, videos and cameras with an exported model.",
        epilog="Without an output, what is found is printed. Ctrl-C keeps what is done so far.",
    )
    add = parser.add_argument
    add(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help=f"images ({' '.join(sources.IMAGES)}), videos ({' '.join(sources.VIDEOS)}), folders "
        "of them, or patterns in quotes",
    )
    add("--camera", type=whole_number, action="append", default=[], metavar="N", help="0, 1, ...")
    add(
        "--model",
        metavar="EXPORT",
        help="a name below exported/, a folder by ./export.sh, or a model file in one "
        "(default: the newest below exported/)",
    )
    add("--label-map", type=Path, metavar="FILE", help="(default: the one beside the model)")
    add(
        "--threshold",
        type=score,
        default=0.5,
        metavar="SCORE",
        help="what scores less is left out, 0 to 1 (default: %(default)s)",
    )
    add(
        "--batch",
        type=positive_number,
        default=loop.BATCH,
        metavar="N",
        help="frames of one size detected in at once (default: %(default)s; cameras: 1)",
    )
    add("--json", type=Path, metavar="FILE", help="COCO's format, with a score an annotation")
    add("--csv", type=Path, metavar="FILE", help="a table, a row an object")
    add("--kitti", type=Path, metavar="DIR", help="KITTI labels with a score, a file a frame")
    add("--save-images", type=Path, metavar="DIR", help="pictures with the boxes")
    add("--save-video", type=_video, metavar="FILE", help=f"({', '.join(pictures.CODECS)})")
    add("--show", action="store_true", help="in a window; q ends")
    add("--overlay", action="store_true", help="frames/s in the pictures' corner")
    add("--overwrite", action="store_true", help="outputs that are there are moved to OUT.1, ...")
    return parser


def _video(text: str) -> Path:
    if Path(text).suffix.lower() not in pictures.CODECS:
        raise argparse.ArgumentTypeError(f"{text} does not end in {', '.join(pictures.CODECS)}")
    return Path(text)


def _check_outputs(arguments: argparse.Namespace, found: Sequence[sources.Source]) -> None:
    """With --overwrite an input would be moved aside; two outputs would wait for each other."""
    inputs = [one.path.resolve() for one in found if not isinstance(one, sources.Camera)]
    seen: set[Path] = set()
    for target in filter(None, (getattr(arguments, name) for name in OUTPUTS)):
        whole = Path(os.path.realpath(target))  # which takes links in a circle too
        if whole in seen:
            raise UserError(f"{shown(target)} is named for two outputs: name another")
        if any(path.is_relative_to(whole) for path in inputs):
            raise UserError(f"{shown(target)} is an input, or holds one: name another output")
        seen.add(whole)


def _open_outputs(
    arguments: argparse.Namespace, names: dict[int, str], stop: list, outputs: ExitStack
) -> list[Write]:
    """Open what was asked for, before anything that takes long."""
    overwrite = arguments.overwrite
    opened = {
        "json": lambda path: tables.coco_json(path, names, overwrite=overwrite),
        "csv": lambda path: tables.table(path, overwrite=overwrite),
        "kitti": lambda path: tables.kitti_folder(path, overwrite=overwrite),
        "save_images": lambda path: pictures.image_files(path, overwrite=overwrite),
        "save_video": lambda path: pictures.video(path, overwrite=overwrite),
    }
    writes = [
        outputs.enter_context(opened[name](target))
        for name in OUTPUTS
        if (target := getattr(arguments, name))
    ]
    if arguments.show:
        writes.append(outputs.enter_context(pictures.window(stop)))
    return writes


def _say_result(result: Result) -> None:
    place = "" if result.frame.number is None else f", frame {result.frame.number}"
    say(f"{result.frame.file}{place}: {len(result.found.boxes)} found")
    for line in result.lines():
        say(f"  {line}")


def _fault(faults: Sequence[str], sources_: int, *, kept: bool) -> str:
    """One line for all sources that could not be read."""
    text = faults[0]
    if len(faults) > 1:
        text += f"; and {len(faults) - 1} more of {sources_} inputs"
    return text + (" (what could be read is kept)" if kept else "")

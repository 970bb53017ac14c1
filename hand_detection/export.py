"""A checkpoint in the formats of the runtimes that it is to run on. Step 7.

    python -m hand_detection.export MODEL [--to FORMAT ...] [--checkpoint STEP] [--out DIR]

A folder a format, which can be taken elsewhere as it is; exported/MODEL has
    frozen_inference_graph.pb   one file; the nodes that deployment tools expect: image_tensor,
                                detection_boxes, detection_scores, detection_classes,
                                num_detections
    saved_model/                the same as a SavedModel
    model.ckpt.*                the weights alone, moving averages swapped in where used
and exported/MODEL-FORMAT has
    model.onnx                  onnx: any size of picture in, detections out
    model.xml, model.bin        openvino: the same
    model.tflite                tflite, tflite-int8
    *.onnx, *.py, build.sh      tensorrt: for trtexec on the device
and each has
    pipeline.config             the config, paths included
    label_map.pbtxt             the class names
    export.json                 what it was made from, with checksums and the measured parity
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hand_detection import checkpoints, console, files, labelmap, models, options
from hand_detection.api import compat
from hand_detection.console import UserError, say, warn
from hand_detection.deploy.formats import BOTH, FORMATS, Format
from hand_detection.exported import CONFIG, FAILED, LABEL_MAP, RECORD
from hand_detection.paths import API, EXPORTED, shown

if TYPE_CHECKING:
    from hand_detection.deploy.job import Job
    from hand_detection.deploy.parity import Gate

PARITY_FRAMES = 500
CALIBRATION_FRAMES = 200


def main() -> None:
    arguments = _arguments()
    config_file = models.config_file(arguments.model)
    run = checkpoints.run_folder(arguments.model, arguments.run)
    prefix, step = checkpoints.find(config_file.stem, run, arguments.checkpoint)
    out = arguments.out or EXPORTED / run.name

    from hand_detection import pipeline
    from hand_detection.deploy.job import Job, use_input_size

    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(arguments.set))
    if arguments.input_size:
        use_input_size(config.proto, arguments.input_size)
    wanted = _wanted(arguments.to, config.proto)
    job = Job(config, prefix, step, arguments.batch, arguments.calibration_frames)
    one = arguments.out and len(wanted) == 1  # its folder is named in full
    folders = {
        name: out if one or not name else out.with_name(f"{out.name}-{name}") for name in wanted
    }
    for folder in folders.values():
        _refuse_others(folder)
    failed = []
    with files.sole_writer(EXPORTED):
        gate = None
        if arguments.parity:
            from hand_detection.deploy.parity import Gate

            gate = Gate(config, prefix, arguments.parity_frames)
        for name, format_ in wanted.items():
            if not _make(job, format_, folders[name], gate):
                failed.append(folders[name])
    if failed:
        raise UserError(
            "not the same as the checkpoint, and kept aside with a report in its "
            f"{RECORD}: {', '.join(shown(_aside(folder)) for folder in failed)}"
        )
    here = [folder for name, folder in folders.items() if name != "tensorrt"]
    if here:
        say(f"Next: step 8, ./detect_image.sh --model {shown(here[0])} IMAGE")
    else:
        say(f"Next: take {shown(folders['tensorrt'])} to the device and run its build.sh there")


def _arguments() -> Any:
    parser = options.parser(
        "export.sh", "Step 7: a checkpoint in the formats of the runtimes that it is to run on."
    )
    options.add_model(parser)
    parser.add_argument(
        "--to",
        action="append",
        choices=(*FORMATS, "all"),
        help="the format; may be repeated (default: frozen and savedmodel, in one folder)",
    )
    parser.add_argument("--checkpoint", help="a step, best, or a path (default: the newest)")
    parser.add_argument(
        "--out",
        type=_folder,
        metavar="DIR",
        help="where to (default: exported/RUN, and exported/RUN-FORMAT for other than frozen and "
        "savedmodel)",
    )
    parser.add_argument(
        "--input-size",
        type=_size,
        metavar="SIZE",
        help="the network's input in pixels, 320 or WIDTHxHEIGHT, instead of the config's",
    )
    parser.add_argument(
        "--batch",
        type=console.positive_number,
        metavar="N",
        help="exactly so many images at once (default: any number; tflite: 1; tensorrt: a file "
        "for 1, a file for any number)",
    )
    parser.add_argument(
        "--calibration-frames",
        type=console.positive_number,
        default=CALIBRATION_FRAMES,
        metavar="N",
        help="of the training records, for int8 (default: %(default)s)",
    )
    parser.add_argument(
        "--parity-frames",
        type=console.positive_number,
        default=PARITY_FRAMES,
        metavar="N",
        help="validation frames, at most, on which the export must detect what the checkpoint "
        "detects (default: %(default)s)",
    )
    parser.add_argument(
        "--no-parity",
        dest="parity",
        action="store_false",
        help="do not compare; export.json has null for it",
    )
    options.add_common(parser)
    return parser.parse_args()


def _size(text: str) -> tuple[int, int]:
    """An argparse type: height and width."""
    match = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size up to 9999, e.g. 320 or 640x360")
    return int(match[2] or match[1]), int(match[1])


def _folder(text: str) -> Path:
    """An argparse type: a folder to make, which others are named after."""
    if Path(text).name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a folder to make")
    return Path(text)


def _wanted(names: list[str] | None, proto: Any) -> dict[str, Format]:
    """The formats asked for, by the suffix of their folders.

    Raises:
        UserError: one cannot be made of this model, or its packages are not installed.
    """
    from hand_detection.deploy import network
    from hand_detection.deploy.packages import require

    everything = bool(names) and "all" in names
    chosen = list(FORMATS) if everything else list(dict.fromkeys(names or ("frozen", "savedmodel")))
    wanted = {}
    if {"frozen", "savedmodel"} <= set(chosen):
        wanted[""] = BOTH
    elif plain := {"frozen", "savedmodel"} & set(chosen):
        wanted[""] = FORMATS[plain.pop()]
    for name in chosen:
        if not FORMATS[name].network_alone:
            continue
        try:
            network.refuse_unfit(proto)
        except UserError as error:
            if not everything:
                raise
            warn(f"without {name}: {error}")
            continue
        for package in FORMATS[name].packages:
            require(package)
        wanted[name] = FORMATS[name]
    return wanted


def _refuse_others(folder: Path) -> None:
    """An earlier export gives way, or an empty folder; nothing else of the user's does."""
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / RECORD).is_file():
        raise UserError(f"{shown(folder)} is there already and no export: name another by --out")


def _make(job: Job, format_: Format, folder: Path, gate: Gate | None) -> bool:
    """Export into `folder`; what does not pass the gate is kept aside instead.

    Returns:
        Whether it passed, or there is no gate.
    """
    labelmap.read_label_map(job.label_map)  # a config may name any file: only label maps are copied
    with contextlib.suppress(_RefusedError), files.whole_folder(folder, replace=True) as partial:
        format_.write(job, partial)
        if not (partial / CONFIG).exists():  # the API's exporter writes its own
            (partial / CONFIG).write_text(job.config.text(), encoding="utf-8")
        shutil.copyfile(job.label_map, partial / LABEL_MAP)
        found = sorted(path for glob in format_.models for path in partial.glob(glob))
        for model in found:
            say(f"{shown(job.checkpoint)} -> {shown(folder)} ({model.name}: {_megabytes(model)})")
        parity = {}
        if gate is not None:
            for model in found:
                parity[model.name] = gate.check(model, integers=format_.integers)
                say(f"  {model.name}: {parity[model.name].line()}")
        record = _record(job, format_, partial)
        record["parity"] = {name: each.record() for name, each in parity.items()} or None
        files.write_json(partial / RECORD, record)
        wrong = [f"{name}: {clause}" for name, each in parity.items() for clause in each.failures]
        if wrong:
            say("  FAILED: " + "; ".join(wrong))
            files.move_aside(_aside(folder))
            partial.rename(_aside(folder))
            raise _RefusedError
        files.move_aside(folder)
        return True
    return False


class _RefusedError(Exception):
    """An export that did not pass the gate."""


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{FAILED}")


def _megabytes(model: Path) -> str:
    parts = list(model.rglob("*")) if model.is_dir() else [model, model.with_suffix(".bin")]
    return f"{sum(path.stat().st_size for path in parts if path.is_file()) / 1e6:.1f} MB"


def _record(job: Job, format_: Format, folder: Path) -> dict[str, Any]:
    """What an exported folder was made from."""
    names = {path.name for path in job.checkpoint.parent.glob(f"{job.checkpoint.name}.*")}
    contents = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "model": job.config.name,
        "checkpoint": shown(job.checkpoint),
        "checkpoint_sha256": {
            name: files.sha256(job.checkpoint.with_name(name)) for name in sorted(names)
        },
        "step": job.step,
        "moving_averages": job.config.proto.eval_config.use_moving_averages,
        "batch": job.batch,
        "api": files.read_json(API / "PORT.json")["source"],
        "tensorflow": compat.activate().__version__,
        "versions": {
            "python": platform.python_version(),
            "numpy": metadata.version("numpy"),
            **{name: metadata.version(name.replace("_", "-")) for name in format_.packages},
        },
        "sha256": {path.relative_to(folder).as_posix(): files.sha256(path) for path in contents},
    }


if __name__ == "__main__":
    console.run(main)

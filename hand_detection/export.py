"""A checkpoint turned into a frozen graph and a SavedModel. Step 7.

    python -m hand_detection.export MODEL [--checkpoint STEP] [--out DIR]

The folder exported/MODEL can be taken elsewhere as it is:
    frozen_inference_graph.pb   one file; the nodes that deployment tools expect: image_tensor,
                                detection_boxes, detection_scores, detection_classes,
                                num_detections
    saved_model/                the same as a SavedModel
    model.ckpt.*                the weights alone, moving averages swapped in where used
    pipeline.config             the config, paths included
    label_map.pbtxt             the class names
    export.json                 what it was made from, with checksums
"""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

from hand_detection import checkpoints, console, files, models, options
from hand_detection.api import compat
from hand_detection.console import say
from hand_detection.paths import API, EXPORTED, shown

FROZEN = "frozen_inference_graph.pb"
SAVED_MODEL = "saved_model"
ONNX = "model.onnx"
LABEL_MAP = "label_map.pbtxt"
RECORD = "export.json"


def main() -> None:
    parser = options.parser("export.sh", "Step 7: a frozen graph and a SavedModel of a checkpoint.")
    options.add_model(parser)
    parser.add_argument("--checkpoint", help="a step, best, or a path (default: the newest)")
    parser.add_argument(
        "--to",
        choices=("frozen", "onnx"),
        default="frozen",
        help="the format (default: a frozen graph and a SavedModel)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: exported/RUN)")
    options.add_common(parser)
    arguments = parser.parse_args()
    config_file = models.config_file(arguments.model)
    run = checkpoints.run_folder(arguments.model, arguments.run)
    prefix, step = checkpoints.find(config_file.stem, run, arguments.checkpoint)
    onnx = arguments.to == "onnx"
    out = arguments.out or EXPORTED / (f"{run.name}-onnx" if onnx else run.name)

    from hand_detection import pipeline

    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(arguments.set))
    with files.sole_writer(EXPORTED):
        files.move_aside(out)
        with files.whole_folder(out) as partial:
            if onnx:
                export_onnx(config, prefix, step, partial)
            else:
                export(config, prefix, step, partial)
    file = ONNX if onnx else FROZEN
    size = (out / file).stat().st_size / 1e6
    say(f"{shown(prefix)} -> {shown(out)} ({file}: {size:.1f} MB)")
    say(f"Next: step 8, ./detect_image.sh --model {shown(out)} IMAGE")


def export(config: Any, checkpoint: Path, step: int, folder: Path) -> None:
    """Write the exported model of `checkpoint` into the empty folder `folder`.

    The API's own exporter does it, so that names and signatures are those that tools know.

    Raises:
        UserError: the checkpoint does not fit the config.
    """
    tf = compat.activate()
    from object_detection import exporter

    from hand_detection.evaluator import explain_misfit

    # The exporter reports on stdout what it does, node by node.
    with (
        explain_misfit(checkpoint),
        tf.Graph().as_default(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        exporter.export_inference_graph("image_tensor", config.proto, str(checkpoint), str(folder))
    _describe(config, checkpoint, step, folder)


def export_onnx(config: Any, checkpoint: Path, step: int, folder: Path) -> None:
    """Write `checkpoint` as an ONNX file into the empty folder `folder`."""
    from hand_detection.deploy import onnx_graph

    properties = {"model": config.name, "step": str(step)}
    onnx_graph.write(config, checkpoint, folder / ONNX, batch=None, properties=properties)
    _describe(config, checkpoint, step, folder)


def _describe(config: Any, checkpoint: Path, step: int, folder: Path) -> None:
    """Put the label map and the record of what it was made from beside an exported model."""
    from hand_detection import pipeline

    tf = compat.activate()
    shutil.copyfile(pipeline.eval_reader(config.proto).label_map_path, folder / LABEL_MAP)
    contents = sorted(path for path in folder.rglob("*") if path.is_file())
    record = {
        "model": config.name,
        "checkpoint": shown(checkpoint),
        "step": step,
        "moving_averages": config.proto.eval_config.use_moving_averages,
        "api": files.read_json(API / "PORT.json")["source"],
        "tensorflow": tf.__version__,
        "sha256": {path.relative_to(folder).as_posix(): files.sha256(path) for path in contents},
    }
    files.write_json(folder / RECORD, record)


if __name__ == "__main__":
    console.run(main)

"""Exported models opened for detection, whatever runs them.

What runs a format is one small class, a `Detector`, and a line in `FORMATS`. TensorFlow's stand
here, those of the other runtimes in `deploy.runtimes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import coco, files, frames
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.deploy import runtimes
from hand_detection.detector import MASKS, OUTPUTS, Detector, unfit
from hand_detection.exported import FROZEN, ONNX, OPENVINO, RECORD, SAVED_MODEL, TFLITE
from hand_detection.paths import shown

BATCH_SIZE = 8


class _Session(Detector):
    """What the API's exporter makes, in a TensorFlow session."""

    def __init__(self, session: Any, image: Any, outputs: dict[str, Any]) -> None:
        self._session, self._input, self._outputs = session, image, outputs
        self.batch = image.shape[0].value
        # Of two stages: an image has hundreds of proposals, each looked at by half a network. Four
        # images at once took the largest model 6 GB.
        if any(node.name.startswith("FirstStage") for node in session.graph.get_operations()):
            self.batch = 1

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """As `Detector` has it."""
        return self._session.run(self._outputs, {self._input: pixels})


class FrozenGraph(_Session):
    """A frozen graph (.pb) with the API's node names.

    Raises:
        UserError: it is none, or damaged.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        tf = compat.activate()
        try:
            definition = tf.GraphDef.FromString(path.read_bytes())
            graph = tf.Graph()
            with graph.as_default():
                tf.import_graph_def(definition, name="")
            names = OUTPUTS + (MASKS,) * any(node.name == MASKS for node in definition.node)
            outputs = {name: graph.get_tensor_by_name(f"{name}:0") for name in names}
            image = graph.get_tensor_by_name("image_tensor:0")
        except Exception as error:  # protobuf and TensorFlow raise many kinds here
            raise unfit(path, error) from None
        super().__init__(_session(graph, threads), image, outputs)


class SavedModel(_Session):
    """A SavedModel's folder, by its serving signature.

    Raises:
        UserError: it is none, or damaged.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        tf = compat.activate()
        try:
            graph = tf.Graph()
            session = _session(graph, threads)
            with graph.as_default():
                meta = tf.saved_model.loader.load(session, ["serve"], str(path))
            signature = meta.signature_def["serving_default"]
            names = OUTPUTS + (MASKS,) * (MASKS in signature.outputs)
            outputs = {
                name: graph.get_tensor_by_name(signature.outputs[name].name) for name in names
            }
            image = graph.get_tensor_by_name(signature.inputs["inputs"].name)
        except Exception as error:
            raise unfit(path, error) from None
        super().__init__(session, image, outputs)


def _session(graph: Any, threads: int | None) -> Any:
    tf = compat.activate()
    count = threads or 0  # TensorFlow's own choice
    config = tf.ConfigProto(intra_op_parallelism_threads=count, inter_op_parallelism_threads=count)
    return tf.Session(graph=graph, config=config)


FORMATS: dict[str, Callable[[Path, int | None], Detector]] = {
    ".pb": FrozenGraph,
    ".onnx": runtimes.OnnxModel,
    ".tflite": runtimes.TFLiteModel,
    ".xml": runtimes.OpenVinoModel,
}
"""What opens a file, by its suffix."""


def locate(path: Path) -> Path:
    """The model in `path`: a model file, a SavedModel's folder, or a folder by ./export.sh.

    Raises:
        UserError: there is no model.
    """
    if path.name == "saved_model.pb":
        path = path.parent
    for candidate in (
        *(path / name for name in (FROZEN, SAVED_MODEL, ONNX, OPENVINO, TFLITE)),
        path,
    ):
        known = candidate.suffix in FORMATS and candidate.is_file()
        if known or (candidate / "saved_model.pb").is_file():
            return candidate
    raise UserError(
        f"no model in {shown(path)}: name a folder made by ./export.sh, a SavedModel's folder, "
        f"or a file {', '.join(f'*{suffix}' for suffix in FORMATS)}"
    )


def locate_unchanged(path: Path) -> Path:
    """As `locate`; the model's files are what the export.json beside it says, if there is one.

    Raises:
        UserError: there is no model, or it was changed.
    """
    path = locate(path)
    record = path.parent / RECORD
    if not record.is_file():
        return path
    written = files.read_json(record)
    files.check_types(written, record, sha256=dict)
    for name, digest in written["sha256"].items():
        file = path.parent / name
        # A SavedModel is a folder of files, OpenVINO's model two files.
        of_xml = path.suffix == ".xml" and file == path.with_suffix(".bin")
        ours = of_xml or file.is_relative_to(path)
        if ours and not (file.is_file() and files.sha256(file) == digest):
            raise UserError(
                f"{shown(file)} was changed after it was written, or is gone: "
                "export it again with ./export.sh"
            )
    return path


def open_model(path: Path, threads: int | None = None) -> Detector:
    """Open what `locate` finds; `threads` of the runtime, None for its own choice.

    Raises:
        UserError: there is no model, or it is damaged.
    """
    path = locate(path)
    opened = SavedModel if path.is_dir() else FORMATS[path.suffix]
    return opened(path, threads)


def detect_all(
    detector: Detector, records: Sequence[Path], label_map: str, *, with_masks: bool = False
) -> Iterator[coco.Image]:
    """Detect in every frame of TFRecords, as many at once as have the same size.

    With `with_masks` the ground truth has the records' masks.
    """
    images: list[coco.Image] = []
    pixels: list[np.ndarray] = []
    for image, picture in frames.iterate(records, label_map, pictures=True, with_masks=with_masks):
        if pixels and (len(pixels) == BATCH_SIZE or picture.shape != pixels[0].shape):
            yield from _with_detections(detector, images, pixels)
            images, pixels = [], []
        images.append(image)
        pixels.append(picture)
    if pixels:
        yield from _with_detections(detector, images, pixels)


def _with_detections(
    detector: Detector, images: list[coco.Image], pixels: list[np.ndarray]
) -> Iterator[coco.Image]:
    for image, found in zip(images, detector.detect_batch(np.stack(pixels)), strict=True):
        yield replace(image, detections=found)

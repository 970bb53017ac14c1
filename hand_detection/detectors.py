"""Exported models opened for detection, whatever runs them.

A `Detector` takes a batch of images and gives boxes in pixels. What runs a further format (ONNX,
TFLite) is one small class with `detect_batch`, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hand_detection import coco, frames, masks
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.export import FROZEN
from hand_detection.paths import shown

OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
MASKS = "detection_masks"  # of a model that makes them, each relative to its box
BATCH_SIZE = 8


class Detector(Protocol):
    """A model that is ready to run."""

    def detect_batch(self, images: np.ndarray) -> list[coco.Boxes]:
        """Detect in images of one size.

        Args:
            images: uint8 (N, height, width, 3), RGB.

        Returns:
            For each image its boxes in pixels, classes by the label map's ids; best score first;
            with masks of the image if the model makes them.
        """


class _Session:
    """What the API's exporter makes, in a TensorFlow session."""

    def __init__(self, session: Any, image: Any, outputs: dict[str, Any]) -> None:
        self._session, self._input, self._outputs = session, image, outputs
        # Of two stages: an image has hundreds of proposals, each looked at by half a network. Four
        # images at once took the largest model 6 GB.
        self._one_by_one = any(
            node.name.startswith("FirstStage") for node in session.graph.get_operations()
        )

    def detect(self, image: np.ndarray) -> coco.Boxes:
        """Detect in one image, uint8 (height, width, 3), RGB."""
        return self.detect_batch(image[np.newaxis])[0]

    def detect_batch(self, images: np.ndarray) -> list[coco.Boxes]:
        """As `Detector` has it."""
        if self._one_by_one and len(images) > 1:
            return [self.detect(image) for image in images]
        result = self._session.run(self._outputs, {self._input: images})
        height, width = images.shape[1:3]
        return [
            coco.Boxes(
                coco.to_pixels(boxes[:count], width, height),
                classes[:count].astype(np.int64),
                scores=scores[:count].astype(np.float64),
                masks=None
                if box_masks is None
                else masks.paste(box_masks[:count], boxes[:count], width, height),
            )
            for boxes, scores, classes, count, box_masks in zip(
                *(result[name] for name in OUTPUTS[:3]),
                result["num_detections"].astype(np.int64),
                result.get(MASKS, [None] * len(images)),
                strict=True,
            )
        ]


class FrozenGraph(_Session):
    """A frozen graph (.pb) with the API's node names.

    Raises:
        UserError: it is none, or damaged.
    """

    def __init__(self, path: Path) -> None:
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
            raise _unfit(path, error) from None
        super().__init__(tf.Session(graph=graph), image, outputs)


class SavedModel(_Session):
    """A SavedModel's folder, by its serving signature.

    Raises:
        UserError: it is none, or damaged.
    """

    def __init__(self, path: Path) -> None:
        tf = compat.activate()
        try:
            graph = tf.Graph()
            session = tf.Session(graph=graph)
            with graph.as_default():
                meta = tf.saved_model.loader.load(session, ["serve"], str(path))
            signature = meta.signature_def["serving_default"]
            names = OUTPUTS + (MASKS,) * (MASKS in signature.outputs)
            outputs = {
                name: graph.get_tensor_by_name(signature.outputs[name].name) for name in names
            }
            image = graph.get_tensor_by_name(signature.inputs["inputs"].name)
        except Exception as error:
            raise _unfit(path, error) from None
        super().__init__(session, image, outputs)


FORMATS: dict[str, Callable[[Path], Detector]] = {".pb": FrozenGraph}
"""What opens a file, by its suffix."""


def locate(path: Path) -> Path:
    """The model in `path`: a model file, a SavedModel's folder, or a folder by ./export.sh.

    Raises:
        UserError: there is no model.
    """
    if path.name == "saved_model.pb":
        path = path.parent
    for candidate in (path / FROZEN, path):
        known = candidate.suffix in FORMATS and candidate.is_file()
        if known or (candidate / "saved_model.pb").is_file():
            return candidate
    raise UserError(
        f"no model in {shown(path)}: name a folder made by ./export.sh, a SavedModel's folder, "
        f"or a file {', '.join(f'*{suffix}' for suffix in FORMATS)}"
    )


def open_model(path: Path) -> Detector:
    """Open what `locate` finds.

    Raises:
        UserError: there is no model, or it is damaged.
    """
    path = locate(path)
    return SavedModel(path) if path.is_dir() else FORMATS[path.suffix](path)


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


def _unfit(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{shown(path)} is not an exported detector: {error}: export it again with ./export.sh"
    )

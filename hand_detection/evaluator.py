"""A checkpoint run over TFRecords: detections in every frame, and the 12 COCO numbers."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hand_detection import (
    checkpoints,
    coco,
    drawing,
    files,
    frames,
    held_out,
    labelmap,
    masks,
    metrics,
    tfrecords,
)
from hand_detection.api import compat
from hand_detection.console import Progress, UserError
from hand_detection.paths import shown

# Enough to keep two cores busy; beyond that, only memory grows.
BATCH_SIZE = 8


@dataclass(frozen=True)
class Result:
    """What an evaluation yields.

    Attributes:
        images: with their ground truth and detections.
        numbers: the 12 COCO numbers by their tag; with masks, the 12 of these too.
        table: the same as pycocotools prints them.
        records: the folder of the evaluated TFRecords.
        images_per_second: of detecting; None for detections that were read from a file.
    """

    images: list[coco.Image]
    numbers: dict[str, float]
    table: str
    records: Path
    images_per_second: float | None

    def record(
        self, model: str, source: Path, step: int | None, split: str, run: Path | None = None
    ) -> dict:
        """The result as it is written to JSON.

        Args:
            model: the model's name.
            source: the checkpoint, or what else made the detections.
            step: of the training.
            split: of the records.
            run: the training run's folder; the checkpoint's if None.
        """
        manifest = self.records / tfrecords.MANIFEST
        return {
            "model": model,
            "checkpoint": shown(source),
            "step": step,
            "split": split,
            "trained_on": held_out.kind(run or checkpoints.run_of(source), self.records, split),
            "records": shown(self.records),
            "manifest_sha256": files.sha256(manifest) if manifest.is_file() else None,
            "images": len(self.images),
            "metrics": self.numbers,
            "images_per_second": self.images_per_second and round(self.images_per_second, 2),
        }


def score(
    images: list[coco.Image],
    classes: dict[str, int],
    records: Path,
    images_per_second: float | None = None,
) -> Result:
    """The COCO numbers of images whose detections are known."""
    numbers = metrics.twelve(metrics.match(images, classes.values()))
    table = metrics.table(numbers)
    if coco.have_masks(images):
        matches = metrics.match(images, classes.values(), masks=True)
        of_masks = metrics.twelve(matches, masks=True)
        table = f"boxes\n{table}\nmasks\n{metrics.table(of_masks)}"
        numbers |= of_masks
    return Result(images, numbers, table, records, images_per_second)


class Evaluator:
    """The evaluation graph of a config, built once and run for any number of checkpoints.

    Attributes:
        records: the TFRecord files; `folder` is theirs.
        examples: how many frames they hold.
        classes: ids by class name.

    Args:
        config: a `pipeline.Pipeline`.
        split: of the records.
        limit: evaluate on so many of the first frames only.

    Raises:
        UserError: the records are missing or damaged.
    """

    def __init__(self, config: Any, split: str = "val", limit: int | None = None) -> None:
        tf = compat.activate()
        from hand_detection import pipeline

        self.config = config
        reader = pipeline.eval_reader(config.proto)
        self.records = pipeline.record_files(reader, split)
        self.examples = tfrecords.examples_in(self.records)
        frames.require_fit(reader, self.records)
        self._with_masks = reader.load_instance_masks
        if limit is not None:
            self.examples = min(self.examples, limit)
        self.folder = self.records[0].parent
        self.label_map = reader.label_map_path
        self.classes = labelmap.read_label_map(Path(self.label_map))
        self._graph = tf.Graph()
        with pipeline.explain_refusal(config), self._graph.as_default():
            self._build(tf)
        self._session = tf.Session(graph=self._graph)

    def _build(self, tf: Any) -> None:
        from object_detection.builders import model_builder

        model = model_builder.build(self.config.proto.model, is_training=False)

        def preprocess(image: Any) -> dict[str, Any]:
            resized, true_shape = model.preprocess(tf.cast(image[tf.newaxis], tf.float32))
            return {"resized": resized[0], "true_shape": true_shape[0]}

        dataset = frames.dataset(
            self.records, self.label_map, preprocess, with_masks=self._with_masks
        ).take(self.examples)
        shapes = tf.data.get_output_shapes(dataset)
        # Only a fixed-shape resizer makes images that can be stacked.
        size = BATCH_SIZE if shapes["resized"].is_fully_defined() else 1
        dataset = dataset.padded_batch(size, shapes).prefetch(2)
        self._iterator = tf.data.make_initializable_iterator(dataset)
        batch = self._iterator.get_next()
        predictions = model.predict(batch["resized"], batch["true_shape"])
        detections = model.postprocess(predictions, batch["true_shape"])
        self._fetches = {
            **{name: batch[name] for name in ("name", "shape", "boxes", "classes", "crowd")},
            **{
                name: detections[name]
                for name in ("detection_boxes", "detection_scores", "detection_classes")
            },
            "count": detections["num_detections"],
        }
        if self._with_masks:
            self._fetches["masks"] = batch["masks"]
        if "detection_masks" in detections:
            self._fetches["detection_masks"] = detections["detection_masks"]
        tf.train.get_or_create_global_step()
        self._saver = tf.train.Saver(variables_to_restore(self.config.proto))
        self._tables = tf.tables_initializer()

    def run(self, checkpoint: Path, label: str = "evaluate") -> Result:
        """Detect in every image with the weights of `checkpoint`, and evaluate.

        Raises:
            UserError: the checkpoint does not fit the config.
        """
        with explain_misfit(checkpoint):
            self._saver.restore(self._session, str(checkpoint))
        started = time.monotonic()
        images: list[coco.Image] = []
        with Progress(self.examples, label, "image") as bar:
            for batch in self._batches():
                images.extend(batch)
                bar.update(len(batch))
        speed = len(images) / (time.monotonic() - started)
        return score(images, self.classes, self.folder, speed)

    def _batches(self) -> Iterator[list[coco.Image]]:
        tf = compat.activate()
        self._session.run([self._iterator.initializer, self._tables])
        while True:
            try:
                with frames.explain_damage(self.records):
                    batch = self._session.run(self._fetches)
            except tf.errors.OutOfRangeError:
                return
            yield [
                _image({name: values[row] for name, values in batch.items()})
                for row in range(len(batch["name"]))
            ]

    def pictures(self, result: Result) -> Iterator[Image.Image]:
        """Detections | ground truth of the first images, as many as the config asks for."""
        settings = self.config.proto.eval_config
        names = {id_: name for name, id_ in self.classes.items()}
        first = result.images[: settings.num_visualizations]
        encoded = frames.encoded(self.records, range(len(first)))
        for number, found in enumerate(first):
            picture = Image.open(io.BytesIO(encoded[number])).convert("RGB")
            truth, detected = found.truth, found.detections
            keep = np.flatnonzero(detected.scores >= settings.min_score_threshold)
            detected = detected.only(keep[: settings.max_num_boxes_to_visualize])
            yield drawing.side_by_side(
                drawing.draw_boxes(
                    picture,
                    detected.boxes,
                    detected.classes,
                    names,
                    detected.scores,
                    detected.masks,
                ),
                drawing.draw_boxes(picture, truth.boxes, truth.classes, names, masks=truth.masks),
            )


def _image(row: dict[str, np.ndarray]) -> coco.Image:
    height, width = (int(side) for side in row["shape"])
    count = int(row["count"])
    detections = coco.Boxes(
        coco.to_pixels(row["detection_boxes"][:count], width, height),
        # The model counts classes from 0, a label map from 1.
        row["detection_classes"][:count].astype(np.int64) + 1,
        scores=row["detection_scores"][:count].astype(np.float64),
        masks=masks.paste(
            row["detection_masks"][:count], row["detection_boxes"][:count], width, height
        )
        if "detection_masks" in row
        else None,
    )
    return frames.image_of(row, detections)


def variables_to_restore(proto: Any) -> Any:
    """What a Saver of the current graph reads: the weights, or their moving averages."""
    tf = compat.activate()
    if proto.eval_config.use_moving_averages:
        return tf.train.ExponentialMovingAverage(0.0).variables_to_restore()
    return tf.global_variables()


@contextmanager
def explain_misfit(checkpoint: Path) -> Iterator[None]:
    """Turn TensorFlow's error on restoring `checkpoint` into one that a user can act on.

    Raises:
        UserError: a variable is missing, has another shape, or the file is damaged.
    """
    tf = compat.activate()
    try:
        yield
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(
            f"{shown(checkpoint)} does not fit the config, or is damaged: {compat.reason(error)}"
        ) from None


@contextmanager
def event_writer(folder: Path, name: str) -> Iterator[Any]:
    """A tf.summary.FileWriter of its own file in `folder`, for what `name` says.

    TensorFlow names event files after the second: of two in one second the later would take the
    place of the other, if nothing else told them apart.
    """
    tf = compat.activate()
    suffix = f".{name}"
    with (
        tf.Graph().as_default(),
        tf.summary.FileWriter(str(folder), filename_suffix=suffix) as writer,
    ):
        yield writer


def write_summaries(folder: Path, evaluator: Evaluator, result: Result, step: int) -> None:
    """Write the 12 numbers and some pictures for TensorBoard, under the API's own tags."""
    tf = compat.activate()
    values = [tf.Summary.Value(tag=tag, simple_value=v) for tag, v in result.numbers.items()]
    for number, picture in enumerate(evaluator.pictures(result)):
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=85)
        image = tf.Summary.Image(
            width=picture.width,
            height=picture.height,
            colorspace=3,
            encoded_image_string=data.getvalue(),
        )
        tag = f"Detections_Left_Groundtruth_Right/{number}"
        values.append(tf.Summary.Value(tag=tag, image=image))
    with event_writer(folder, f"eval-{step}") as writer:
        writer.add_summary(tf.Summary(value=values), step)

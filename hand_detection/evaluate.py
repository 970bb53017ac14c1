"""COCO metrics of a checkpoint on the validation records. Step 6.

python -m hand_detection.evaluate MODEL [--checkpoint STEP] [--data DIR] [--split SPLIT]
"""

from __future__ import annotations

import io
import itertools
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
    console,
    drawing,
    files,
    labelmap,
    models,
    options,
    tfrecords,
)
from hand_detection.api import compat
from hand_detection.console import Progress, UserError, say
from hand_detection.paths import shown

# Enough to keep two cores busy; beyond that, only memory grows.
BATCH_SIZE = 8


def main() -> None:
    parser = options.parser("eval.sh", "Step 6: the COCO metrics of a checkpoint.")
    options.add_model(parser)
    parser.add_argument("--checkpoint", help="a step, best, or a path (default: the newest)")
    parser.add_argument("--split", default="val", help="which records (default: %(default)s)")
    options.add_common(parser)
    arguments = parser.parse_args()
    run = checkpoints.run_folder(arguments.model, arguments.run)
    config_file = models.config_file(arguments.model)
    prefix, step = checkpoints.find(config_file.stem, run, arguments.checkpoint)

    from hand_detection import pipeline

    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(arguments.set))
    evaluator = Evaluator(config, arguments.split)
    say(f"{shown(prefix)} on {evaluator.examples} images of {shown(evaluator.records[0].parent)}")
    result = evaluator.run(prefix)
    say(result.table)
    report = run / f"eval-{arguments.split}-{step}.json"
    files.write_json(report, result.record(config.name, prefix, step, arguments.split))
    write_summaries(run / "eval", evaluator, result, step)
    say(f"{result.images_per_second:.1f} images/s; written to {shown(report)}")
    say(f"Next: step 7, ./export.sh {arguments.model}")


@dataclass(frozen=True)
class Result:
    """What an evaluation yields. `numbers` are the 12 COCO numbers by their tag."""

    images: list[coco.Image]
    numbers: dict[str, float]
    table: str
    images_per_second: float

    def record(self, model: str, checkpoint: Path, step: int, split: str) -> dict:
        """The result as it is written to JSON."""
        return {
            "model": model,
            "checkpoint": shown(checkpoint),
            "step": step,
            "split": split,
            "images": len(self.images),
            "metrics": self.numbers,
            "images_per_second": round(self.images_per_second, 2),
        }


class Evaluator:
    """The evaluation graph of a config, built once and run for any number of checkpoints.

    Raises:
        UserError: the records are missing or damaged.
    """

    def __init__(self, config: Any, split: str = "val") -> None:
        tf = compat.activate()
        from hand_detection import pipeline

        self.config = config
        reader = pipeline.eval_reader(config.proto)
        self.records = pipeline.record_files(reader, split)
        self.examples = tfrecords.examples_in(self.records)
        self.classes = labelmap.read_label_map(Path(reader.label_map_path))
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._build(tf, reader)
        self._session = tf.Session(graph=self._graph)

    def _build(self, tf: Any, reader: Any) -> None:
        from object_detection.builders import model_builder
        from object_detection.data_decoders import tf_example_decoder

        model = model_builder.build(self.config.proto.model, is_training=False)
        decode = tf_example_decoder.TfExampleDecoder(
            label_map_proto_file=reader.label_map_path
        ).decode

        @tf.autograph.experimental.do_not_convert
        def example(record: Any) -> dict[str, Any]:
            decoded = decode(record)
            image = decoded["image"]
            resized, true_shape = model.preprocess(tf.cast(image[tf.newaxis], tf.float32))
            return {
                "name": decoded["filename"],
                "shape": tf.shape(image),
                "resized": resized[0],
                "true_shape": true_shape[0],
                "boxes": decoded["groundtruth_boxes"],
                "classes": decoded["groundtruth_classes"],
                # Optional in a record; absent, it is empty here.
                "crowd": tf.cond(
                    tf.size(decoded["groundtruth_is_crowd"]) > 0,
                    lambda: decoded["groundtruth_is_crowd"],
                    lambda: tf.zeros_like(decoded["groundtruth_classes"], tf.bool),
                ),
            }

        dataset = tf.data.TFRecordDataset([str(path) for path in self.records])
        dataset = dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
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
        seconds = time.monotonic() - started
        numbers, table = coco.evaluate(
            coco.ground_truth_json(images, self.classes), coco.detections_json(images)
        )
        return Result(images, numbers, table, len(images) / seconds)

    def pictures(self, result: Result) -> Iterator[Image.Image]:
        """Detections | ground truth of the first images, as many as the config asks for."""
        tf = compat.activate()
        settings = self.config.proto.eval_config
        names = {id_: name for name, id_ in self.classes.items()}
        records = itertools.chain.from_iterable(
            tf.python_io.tf_record_iterator(str(path)) for path in self.records
        )
        for record, found in zip(
            records, result.images[: settings.num_visualizations], strict=False
        ):
            encoded = tf.train.Example.FromString(record).features.feature["image/encoded"]
            picture = Image.open(io.BytesIO(encoded.bytes_list.value[0])).convert("RGB")
            truth, detected = found.truth, found.detections
            keep = np.flatnonzero(detected.scores >= settings.min_score_threshold)
            keep = keep[: settings.max_num_boxes_to_visualize]
            yield drawing.side_by_side(
                drawing.draw_boxes(
                    picture,
                    detected.boxes[keep],
                    detected.classes[keep],
                    names,
                    detected.scores[keep],
                ),
                drawing.draw_boxes(picture, truth.boxes, truth.classes, names),
            )

    def _batches(self) -> Iterator[list[coco.Image]]:
        tf = compat.activate()
        self._session.run([self._iterator.initializer, self._tables])
        while True:
            try:
                batch = self._session.run(self._fetches)
            except tf.errors.OutOfRangeError:
                return
            yield [_image(batch, row) for row in range(len(batch["name"]))]


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
        first = str(getattr(error, "message", error)).strip().splitlines()[0]
        raise UserError(
            f"{shown(checkpoint)} does not fit the config, or is damaged: {first}"
        ) from None


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
    with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
        writer.add_summary(tf.Summary(value=values), step)


def _image(batch: dict[str, np.ndarray], row: int) -> coco.Image:
    height, width = (int(side) for side in batch["shape"][row][:2])
    classes = batch["classes"][row]
    real = classes > 0  # what a shorter image is padded with has class 0
    count = int(batch["count"][row])
    return coco.Image(
        name=batch["name"][row].decode(),
        width=width,
        height=height,
        truth=coco.Boxes(
            coco.to_pixels(batch["boxes"][row][real], width, height),
            classes[real].astype(np.int64),
            crowd=batch["crowd"][row][real].astype(bool),
        ),
        detections=coco.Boxes(
            coco.to_pixels(batch["detection_boxes"][row][:count], width, height),
            # The model counts classes from 0, a label map from 1.
            batch["detection_classes"][row][:count].astype(np.int64) + 1,
            scores=batch["detection_scores"][row][:count].astype(np.float64),
        ),
    )


if __name__ == "__main__":
    console.run(main)

"""The frames of TFRecords for evaluation: decoded in parallel, each with its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import coco, labelmap, masks, tfrecords
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.paths import shown

NO_DETECTIONS = coco.Boxes(np.zeros((0, 4)), np.zeros(0, np.int64), scores=np.zeros(0))
MASK = "image/object/mask"


def dataset(
    records: Sequence[Path],
    label_map: str,
    picture: Callable[[Any], dict[str, Any]] | None,
    *,
    with_masks: bool = False,
) -> Any:
    """A tf.data.Dataset of the records in their order, by the API's own decoder.

    Args:
        records: TFRecord files.
        label_map: the label map's path.
        picture: makes further entries of the image, uint8 (height, width, 3). With None no
            image is decoded, and the sizes are those that the records state.
        with_masks: whether the records have masks that are wanted.

    Returns:
        Dicts of name, shape (2,), boxes (N, 4) normalized ymin xmin ymax xmax, classes (N,),
        crowd (N,), the entries of `picture`, and if wanted masks (N,), still encoded.
    """
    tf = compat.activate()
    from object_detection.data_decoders import tf_example_decoder

    decode = tf_example_decoder.TfExampleDecoder(label_map_proto_file=label_map).decode
    size = {f"image/{side}": tf.FixedLenFeature([], tf.int64) for side in ("height", "width")}
    pngs = {MASK: tf.VarLenFeature(tf.string)}

    @tf.autograph.experimental.do_not_convert
    def example(record: Any) -> dict[str, Any]:
        decoded = decode(record)
        if picture is None:
            stated = tf.io.parse_single_example(record, size)
            shape, entries = tf.stack([stated["image/height"], stated["image/width"]]), {}
        else:
            shape, entries = tf.shape(decoded["image"])[:2], picture(decoded["image"])
        if with_masks:
            # Decoded, those of a batch would be a float32 image for each object.
            stored = tf.io.parse_single_example(record, pngs)[MASK]
            entries["masks"] = tf.sparse.to_dense(stored, default_value="")
        return {
            "name": decoded["filename"],
            "shape": shape,
            "boxes": decoded["groundtruth_boxes"],
            "classes": decoded["groundtruth_classes"],
            # Optional in a record; absent, it is empty here.
            "crowd": tf.cond(
                tf.size(decoded["groundtruth_is_crowd"]) > 0,
                lambda: decoded["groundtruth_is_crowd"],
                lambda: tf.zeros_like(decoded["groundtruth_classes"], tf.bool),
            ),
            **entries,
        }

    files = tf.data.TFRecordDataset([str(path) for path in records])
    return files.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


@contextmanager
def explain_damage(records: Sequence[Path]) -> Iterator[None]:
    """Turn TensorFlow's error while it works on `records` into one that a user can act on.

    The end of the records (OutOfRangeError) is passed on: to most readers it is none.

    Raises:
        UserError: a record is damaged; or the disk is full, the memory ran out, ...
    """
    tf = compat.activate()
    try:
        yield
    except tf.errors.OutOfRangeError:
        raise
    except tf.errors.OpError as error:
        for folder in {path.parent for path in records}:
            if (folder / tfrecords.MANIFEST).exists():
                tfrecords.verify(folder, full=True)  # names the file that was changed
        raise UserError(
            f"TensorFlow stopped on the records of {shown(records[0].parent)}: "
            f"{compat.reason(error)}"
        ) from None


def iterate(
    records: Sequence[Path], label_map: str, *, pictures: bool, with_masks: bool = False
) -> Iterator[tuple[coco.Image, np.ndarray | None]]:
    """Each frame with its ground truth and no detections; and its pixels, uint8, if asked for."""
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        picture = (lambda image: {"image": image}) if pictures else None
        frames = dataset(records, label_map, picture, with_masks=with_masks)
        iterator = tf.data.make_initializable_iterator(frames.prefetch(2))
        following = iterator.get_next()
        session.run([iterator.initializer, tf.tables_initializer()])
        while True:
            try:
                with explain_damage(records):
                    frame = session.run(following)
            except tf.errors.OutOfRangeError:
                return
            yield image_of(frame, NO_DETECTIONS), frame.get("image")


def image_of(frame: dict[str, np.ndarray], detections: coco.Boxes) -> coco.Image:
    """A decoded frame (padding with class 0 left out) and its detections.

    Raises:
        UserError: masks are wanted, and an object has none, or one of another size.
    """
    height, width = (int(side) for side in frame["shape"])
    real = frame["classes"] > 0
    found = None
    if "masks" in frame:
        pngs = list(frame["masks"]) + [b""] * (len(real) - len(frame["masks"]))
        pngs = [pngs[place] for place in np.flatnonzero(real)]
        if not all(pngs):
            raise UserError(
                f"an object of {frame['name'].decode()} in the records has no mask: "
                "run ./create_tfrecords.sh --masks --overwrite"
            )
        found = [masks.encode(masks.from_png(png)) for png in pngs]
        if any(rle["size"] != [height, width] for rle in found):
            raise UserError(
                f"{frame['name'].decode()} in the records has a mask that is not as large as it"
            )
    truth = coco.Boxes(
        coco.to_pixels(frame["boxes"][real], width, height),
        frame["classes"][real].astype(np.int64),
        crowd=frame["crowd"][real].astype(bool),
        masks=found,
    )
    return coco.Image(frame["name"].decode(), width, height, truth, detections)


def require_fit(reader: Any, records: Sequence[Path]) -> None:
    """Refuse records that the input reader of a config would read as something else.

    Args:
        reader: an input_reader_pb2.InputReader.
        records: its TFRecord files.

    Raises:
        UserError: they have classes that the label map has not, whose objects would be dropped
            without a word; or no masks where they are wanted, or of another kind.
    """
    _require_classes(Path(reader.label_map_path), records[0].parent)
    _require_masks(reader, records)


def _require_classes(label_map: Path, folder: Path) -> None:
    if not (folder / tfrecords.MANIFEST).exists():
        return
    known = labelmap.read_label_map(label_map)
    if unknown := tfrecords.read_manifest(folder).settings.classes.keys() - known.keys():
        raise UserError(
            f"{shown(folder)} has the class {', '.join(sorted(unknown))}, and the config's "
            f"{shown(label_map)} has not: make a config for this data set with tools/new_config.py"
        )


def _require_masks(reader: Any, records: Sequence[Path]) -> None:
    """The first frame with objects stands for all."""
    if not reader.load_instance_masks:
        return
    tf = compat.activate()
    from object_detection.protos import input_reader_pb2

    if reader.mask_type != input_reader_pb2.PNG_MASKS:
        raise UserError(
            "the config's input reader has load_instance_masks without mask_type: PNG_MASKS, "
            "which is how ./create_tfrecords.sh --masks stores them: add it"
        )
    for path in records:
        for record in tf.python_io.tf_record_iterator(str(path)):
            features = tf.train.Example.FromString(record).features.feature
            if not features["image/object/bbox/xmin"].float_list.value:
                continue
            if not features[MASK].bytes_list.value:
                raise UserError(
                    f"{shown(path)} has no masks, which the config asks for "
                    "(load_instance_masks): run ./create_tfrecords.sh --masks --overwrite "
                    f"--data {shown(path.parent.parent)}"
                )
            return


def encoded(records: Sequence[Path], numbers: Sequence[int]) -> dict[int, bytes]:
    """The encoded images of the frames `numbers`, counted from 0 over all records."""
    tf = compat.activate()
    wanted, found, number = set(numbers), {}, 0
    for path in records:
        for record in tf.python_io.tf_record_iterator(str(path)):
            if number in wanted:
                features = tf.train.Example.FromString(record).features.feature
                found[number] = features["image/encoded"].bytes_list.value[0]
                if len(found) == len(wanted):
                    return found
            number += 1
    return found

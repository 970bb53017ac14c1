"""One computation for both stacks: from a KITTI label to what a model is trained on.

For Python 3.7 and later, and for TensorFlow 1.15 as well as for compat.v1 of today's.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

SIZE = 80, 48  # of the pictures: width and height in pixels
FRAMES = ("CARDS_OFFICE_S_B_frame_0001.jpg", "CARDS_OFFICE_S_B_frame_0002.png")
LABEL_LINES = (
    "hand 0.5 1 -1.57 3.0 0.0 30.5 24.0 1.5 1.6 3.7 1.8 1.5 8.4 -1.59\n"
    "hand 0 0 0 40 20 79 47 0 0 0 0 0 0 0\n",
    "hand 0 2 0.25 10.125 11.75 60.0625 40.5 0 0 0 0 0 0 0.5\n",
)
AUGMENTATIONS = ("random_horizontal_flip", "ssd_random_crop")
DRAWN = (0.1, 0.4, 0.6, 0.95)  # what stands for random numbers from 0 to 1


def pictures() -> list[bytes]:
    """The frames' bytes, a JPEG and a PNG: blocks of colour with a little noise."""
    from PIL import Image

    rng = np.random.RandomState(7)
    found = []
    for name in FRAMES:
        blocks = np.kron(rng.randint(0, 230, (6, 10, 3)), np.ones((8, 8, 1)))
        pixels = (blocks + rng.randint(0, 25, blocks.shape)).astype(np.uint8)
        out = io.BytesIO()
        options = {"quality": 90} if name.endswith("jpg") else {}
        Image.fromarray(pixels).save(out, "JPEG" if options else "PNG", **options)
        found.append(out.getvalue())
    return found


def write_kitti(folder: Path, encoded: list[bytes]) -> None:
    """Write a data set of two frames in this project's layout."""
    for name, data, lines in zip(FRAMES, encoded, LABEL_LINES):
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).write_bytes(data)
        (folder / "labels" / name).with_suffix(".txt").write_text(lines)


def features(tf: Any, serialized: bytes) -> dict[str, np.ndarray]:
    """An example's features by key; bytes as uint8."""
    found = {}
    for key, value in tf.train.Example.FromString(serialized).features.feature.items():
        values = getattr(value, value.WhichOneof("kind")).value
        if value.HasField("bytes_list"):
            found[key] = np.frombuffer(b"\n".join(values), np.uint8)
        else:
            found[key] = np.array(values)
    return found


def decoded(tf: Any, serialized: bytes) -> dict[str, np.ndarray]:
    """What the API's TfExampleDecoder makes of an example."""
    from object_detection.data_decoders import tf_example_decoder

    with tf.Graph().as_default(), tf.Session() as session:
        tensors = tf_example_decoder.TfExampleDecoder().decode(tf.constant(serialized))
        values = session.run(tensors)
    return {key: value for key, value in values.items() if np.asarray(value).dtype.kind in "biuf"}


def preprocessed(tf: Any, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    """The configs' image resizers, and their augmentations as given random numbers decide them.

    Args:
        image: uint8 (height, width, 3).
        boxes: float32 (N, 4), normalized ymin, xmin, ymax, xmax.
    """
    from google.protobuf import text_format
    from object_detection.builders import image_resizer_builder, preprocessor_builder
    from object_detection.core import preprocessor
    from object_detection.protos import image_resizer_pb2, preprocessor_pb2

    found = {}
    for name, text in {
        "fixed": "fixed_shape_resizer { height: 60 width: 60 }",
        "aspect kept": "keep_aspect_ratio_resizer { min_dimension: 60 max_dimension: 90 }",
    }.items():
        resizer = text_format.Parse(text, image_resizer_pb2.ImageResizer())
        with tf.Graph().as_default(), tf.Session() as session:
            resized, shape = image_resizer_builder.build(resizer)(tf.constant(image, tf.float32))
            values = session.run([resized, shape])
        found["resized, " + name], found["size, " + name] = values[0][::5, ::5], values[1]

    box = functools.partial(tf.image.sample_distorted_bounding_box, seed=20, seed2=18)
    for drawn in DRAWN:

        def constant(shape, minval=0, maxval=None, dtype=tf.float32, drawn=drawn, **_):
            low, high = float(minval), 1.0 if maxval is None else float(maxval)
            return tf.cast(tf.fill(shape, low + drawn * (high - low)), dtype)

        for name in AUGMENTATIONS:
            step = preprocessor_pb2.PreprocessingStep()
            getattr(step, name).SetInParent()
            with mock.patch.object(tf, "random_uniform", constant), mock.patch.object(
                tf.image, "sample_distorted_bounding_box", box
            ), tf.Graph().as_default(), tf.Session() as session:
                tensors = preprocessor.preprocess(
                    {
                        "image": tf.expand_dims(tf.constant(image, tf.float32), 0),
                        "groundtruth_boxes": tf.constant(boxes),
                        "groundtruth_classes": tf.ones([len(boxes)], tf.int64),
                        "groundtruth_weights": tf.ones([len(boxes)]),
                    },
                    [preprocessor_builder.build(step)],
                )
                values = session.run(tensors)
            label = f"{name} {drawn}"
            found[label + ", size"] = np.array(values["image"].shape)
            found[label + ", image"] = values["image"][0, ::5, ::5]
            found[label + ", boxes"] = values["groundtruth_boxes"]
    return found

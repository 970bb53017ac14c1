"""One computation for both stacks: what a model makes of fixed weights, images and ground truth.

For Python 3.7 and later, and for TensorFlow 1.15 as well as for compat.v1 of today's.
"""

from __future__ import annotations

import re
import zlib
from contextlib import AbstractContextManager
from typing import Any, Callable
from unittest import mock

import numpy as np

MODELS = (
    "ssd_mobilenet_v1",
    "ssd_mobilenet_v2",
    "ssd_inception_v2",
    "faster_rcnn_resnet50",
    "rfcn_resnet101",
)
IMAGES = 8  # in a batch of an SSD; the two-stage models take one at a time
HEIGHT, WIDTH = 180, 320  # Faster R-CNN resizes to this too: small, and at full depth
PROPOSALS = 32
EVERY = 7  # of the anchors, every so-manieth is compared; keeps the golden files small


def images(count: int) -> np.ndarray:
    """float32 (count, 180, 320, 3), 0 to 255: coloured blocks under noise, brighter in the boxes.

    No two are alike: each has a size of blocks, a range and a tint of its own. Batch normalization
    over a 1 x 1 feature map divides by how much the images differ, and what is next to nothing
    there is rounding.
    """
    rng = np.random.RandomState(2018)
    pictures = []
    for number, boxes in zip(range(count), ground_truth(count)):
        side = (4, 10, 20, 60)[number % 4]
        blocks = rng.randint(0, 40 + 20 * number, (HEIGHT // side, WIDTH // side + 1, 3))
        picture = np.kron(blocks, np.ones((side, side, 1)))[:, :WIDTH]
        picture = (picture + rng.randint(0, 40, picture.shape)) * rng.uniform(0.1, 1, 3)
        for ymin, xmin, ymax, xmax in (boxes * [HEIGHT, WIDTH, HEIGHT, WIDTH]).astype(int):
            picture[ymin:ymax, xmin:xmax] += 50
        pictures.append(picture)
    return np.stack(pictures).astype(np.float32)


def ground_truth(count: int) -> list[np.ndarray]:
    """float32 (N, 4) of each image, normalized ymin, xmin, ymax, xmax; 1 to 4 boxes."""
    rng = np.random.RandomState(48)
    boxes = []
    for number in range(count):
        corner = rng.uniform(0, 0.5, (number % 4 + 1, 2))
        extent = rng.uniform(0.2, 0.5, (number % 4 + 1, 2))
        boxes.append(np.hstack([corner, corner + extent]).astype(np.float32))
    return boxes


def weights(name: str, shape: list[int]) -> np.ndarray:
    """A variable's value, float32, drawn from a generator seeded with its name.

    Scaled so that the activations neither vanish nor explode at any depth. What batch normalization
    gives is mostly above 0, so that a ReLU lets it through: a deep network of random weights whose
    ReLUs cut half of everything is chaotic, and makes a difference of 1e-7 in its first layer one
    of 1e-2 in its last.
    """
    rng = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    kind = name.rsplit("/", 1)[-1]
    # What a residual block adds is small beside what it adds it to.
    share = 0.25 if re.search(r"/(conv3|project)/BatchNorm/", name) else 1
    if kind == "gamma":
        values = rng.uniform(0.4, 0.6, shape) * share
    elif kind == "beta":
        values = rng.uniform(0.8, 1.2, shape) * share
    elif kind == "moving_variance":
        values = rng.uniform(0.8, 1.2, shape)
    elif kind in ("moving_mean", "biases"):
        values = rng.uniform(-0.2, 0.2, shape)
    else:
        fan_in = np.prod(shape[:2] if kind == "depthwise_weights" else shape[:-1])
        values = rng.uniform(-1, 1, shape) * np.sqrt(6 / fan_in)
        if re.search(r"resnet_v1_\d+/conv1/weights$", name):
            values /= 64  # its input is not scaled: -124 to 151
        if "BoxEncodingPredictor" in name:
            values /= 10  # boxes near their anchors, so that some match the ground truth
        if name == "FirstStageBoxPredictor/ClassPredictor/weights":
            values /= 10  # scores that differ: 0.9999999 is that of many, and ranks none of them
    return values.astype(np.float32)


def shrink(proto: Any) -> None:
    """Small images and few proposals; the network stays whole."""
    if proto.model.WhichOneof("model") == "faster_rcnn":
        model = proto.model.faster_rcnn
        model.image_resizer.keep_aspect_ratio_resizer.min_dimension = HEIGHT
        model.image_resizer.keep_aspect_ratio_resizer.max_dimension = WIDTH
        model.first_stage_max_proposals = model.second_stage_batch_size = PROPOSALS


def compute(
    tf: Any, config: str, building_loss: Callable[[], AbstractContextManager[None]]
) -> dict[str, np.ndarray]:
    """Predictions, detections, losses, gradients and a training step, by the API itself.

    Args:
        tf: TensorFlow in its behaviour of version 1, the API importable.
        config: a TrainEvalPipelineConfig with one class, in protobuf text format.
        building_loss: the context in which a loss is built.

    Returns:
        float32 arrays by name.
    """
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    proto = text_format.Parse(config, pipeline_pb2.TrainEvalPipelineConfig())
    shrink(proto)
    # Which anchors and proposals are sampled for a loss is drawn; here it is always the first.
    with mock.patch.object(tf, "random_shuffle", lambda value, **_: value):
        found = {**inference(tf, proto, building_loss), **training(tf, proto, building_loss)}
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def inference(tf: Any, proto: Any, building_loss: Any) -> dict[str, Any]:
    """What a model in its inference mode makes of the images."""
    with tf.Graph().as_default(), _session(tf) as session:
        model, inputs, shapes, predictions, losses = _build(tf, proto, False, building_loss)
        detections = model.postprocess(predictions, shapes)
        _load(tf, session)
        fetches = {"preprocessed": inputs[:, ::29, ::29]}
        if "anchors" not in predictions:
            fetches["anchors"] = model.anchors.get()[::EVERY]
        for name in (
            "box_encodings",
            "class_predictions_with_background",
            "rpn_box_encodings",
            "rpn_objectness_predictions_with_background",
            "anchors",
            "proposal_boxes",
            "refined_box_encodings",
        ):
            if name in predictions:
                tensor = predictions[name]
                many = tensor.shape.ndims == 3 and name != "proposal_boxes"
                fetches[name] = tensor[:, ::EVERY] if many else tensor
        for name in ("boxes", "scores", "classes"):
            fetches["detection_" + name] = detections["detection_" + name]
        fetches["num_detections"] = detections["num_detections"]
        fetches.update(losses)
        return {"inference " + name: value for name, value in session.run(fetches).items()}


def training(tf: Any, proto: Any, building_loss: Any) -> dict[str, Any]:
    """The losses and gradients of a training step, and what it changes."""
    from object_detection.builders import optimizer_builder

    with tf.Graph().as_default(), _session(tf) as session:
        tf.train.get_or_create_global_step()
        *_, losses = _build(tf, proto, True, building_loss)
        total = tf.add_n([*losses.values(), tf.losses.get_regularization_loss()])
        variables = sorted(tf.trainable_variables(), key=lambda variable: variable.op.name)
        optimizer, _ = optimizer_builder.build(proto.train_config.optimizer)
        # Not tf.gradients: without the optimizer's gates, a weight may change while it is read.
        pairs = [
            (gradient, variable)
            for gradient, variable in optimizer.compute_gradients(total, variables)
            if gradient is not None
        ]
        gradients, variables = (list(column) for column in zip(*pairs))
        applied = gradients
        if proto.train_config.gradient_clipping_by_norm > 0:
            limit = proto.train_config.gradient_clipping_by_norm
            applied, _ = tf.clip_by_global_norm(gradients, limit)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            step = optimizer.apply_gradients(list(zip(applied, variables)))
        _load(tf, session)
        found, values = session.run([{"Loss/total": total, **losses}, gradients])
        found["gradients"] = [_measures(one) for one in values]
        before = session.run(variables)
        session.run(step)
        after = session.run(variables)
        found["updates"] = [_measures(b - a) for a, b in zip(before, after)]
        found["Loss/total after a step"] = session.run(total)
        return {"training " + name: value for name, value in found.items()}


def _session(tf: Any) -> Any:
    # On a CPU the gradient of crop_and_resize adds up boxes in several threads without a lock: what
    # one thread adds is now and then lost to another, on either stack.
    return tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1))


def _measures(values: np.ndarray) -> list[float]:
    """An array's norm, and its product with a pattern of +1 and -1: where it points, roughly."""
    flat = values.ravel().astype(np.float64)
    signs = np.random.RandomState(flat.size % 2**31).randint(0, 2, flat.size) * 2 - 1
    return [np.linalg.norm(flat), flat @ signs]


def _build(tf: Any, proto: Any, training: bool, building_loss: Any) -> Any:
    from object_detection.builders import model_builder

    model = model_builder.build(proto.model, is_training=training, add_summaries=False)
    count = IMAGES if proto.model.WhichOneof("model") == "ssd" else 1
    boxes = ground_truth(IMAGES)[-count:]
    model.provide_groundtruth(
        [tf.constant(rows) for rows in boxes],
        [tf.ones([len(rows), 1]) for rows in boxes],
        groundtruth_weights_list=[tf.ones([len(rows)]) for rows in boxes],
    )
    inputs, shapes = model.preprocess(tf.constant(images(IMAGES)[-count:]))
    predictions = model.predict(inputs, shapes)
    with building_loss():
        losses = model.loss(predictions, shapes)
    return model, inputs, shapes, predictions, losses


def _load(tf: Any, session: Any) -> None:
    session.run(tf.global_variables_initializer())
    variables = tf.model_variables()
    values = {
        variable.initializer.inputs[1]: weights(variable.op.name, variable.shape.as_list())
        for variable in variables
    }
    # All at once: a session prepares the whole graph anew for each set of fetches.
    session.run([variable.initializer for variable in variables], values)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two arrays, relative to the largest value of the second."""
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-12))

"""One computation for both stacks: what an SSD makes of fixed weights, images and ground truth.

For Python 3.7 and later, and for TensorFlow 1.15 as well as for compat.v1 of today's.
"""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager
from typing import Any, Callable

import numpy as np

IMAGES = 4
HEIGHT, WIDTH = 180, 320
EVERY = 4  # of the anchors, every so-manieth is compared; keeps the golden file small
BACKBONE_SCOPE = "FeatureExtractor/"
BACKBONE_TENSORS = 135  # that many of the variables are the backbone's, the others are drawn


def images() -> np.ndarray:
    """float32 (4, 180, 320, 3), 0 to 255: coloured blocks under noise, brighter in the boxes."""
    rng = np.random.RandomState(2018)
    blocks = np.kron(rng.randint(0, 160, (IMAGES, 9, 16, 3)), np.ones((1, 20, 20, 1)))
    pictures = blocks + rng.randint(0, 40, blocks.shape)
    for picture, boxes in zip(pictures, ground_truth()):
        for ymin, xmin, ymax, xmax in (boxes * [HEIGHT, WIDTH, HEIGHT, WIDTH]).astype(int):
            picture[ymin:ymax, xmin:xmax] += 50
    return pictures.astype(np.float32)


def ground_truth() -> list[np.ndarray]:
    """float32 (N, 4) of each image, normalized ymin, xmin, ymax, xmax; 1 to 4 boxes."""
    rng = np.random.RandomState(48)
    boxes = []
    for number in range(IMAGES):
        corner = rng.uniform(0, 0.6, (number + 1, 2))
        extent = rng.uniform(0.1, 0.4, (number + 1, 2))
        boxes.append(np.hstack([corner, corner + extent]).astype(np.float32))
    return boxes


def weights(name: str, shape: list[int], backbone: Any) -> np.ndarray:
    """A variable's value: the backbone's, or drawn from a generator seeded with the name."""
    if backbone.has_tensor(_in_backbone(name)):
        return backbone.get_tensor(_in_backbone(name))
    rng = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    kind = name.rsplit("/", 1)[-1]
    if kind in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    if kind in ("beta", "moving_mean", "biases"):
        return rng.normal(0, 0.1, shape).astype(np.float32)
    fan_in = np.prod(shape[:2] if kind == "depthwise_weights" else shape[:-1])
    return rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)


def _in_backbone(name: str) -> str:
    return name[len(BACKBONE_SCOPE) :] if name.startswith(BACKBONE_SCOPE) else name


def compute(
    tf: Any,
    config: str,
    checkpoint: str,
    building_loss: Callable[[], AbstractContextManager[None]],
) -> dict[str, np.ndarray]:
    """Predictions, detections, losses, gradients and a training step, by the API itself.

    Args:
        tf: TensorFlow in its behaviour of version 1, the API importable.
        config: a TrainEvalPipelineConfig of an SSD with one class, in protobuf text format.
        checkpoint: the prefix of the backbone's.
        building_loss: the context in which a loss is built.

    Returns:
        float32 arrays by name.
    """
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    proto = text_format.Parse(config, pipeline_pb2.TrainEvalPipelineConfig())
    backbone = tf.train.load_checkpoint(checkpoint)
    found = _inference(tf, proto, backbone, building_loss)
    found.update(_training(tf, proto, backbone, building_loss))
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def _inference(tf: Any, proto: Any, backbone: Any, building_loss: Any) -> dict[str, Any]:
    with tf.Graph().as_default(), tf.Session() as session:
        model, shapes, predictions, losses = _build(tf, proto, False, building_loss)
        detections = model.postprocess(predictions, shapes)
        _load(tf, session, backbone)
        fetches = {
            "anchors": model.anchors.get()[::EVERY],
            "box_encodings": predictions["box_encodings"][:, ::EVERY],
            "class_predictions": predictions["class_predictions_with_background"][:, ::EVERY],
        }
        for name in ("detection_boxes", "detection_scores", "num_detections"):
            fetches[name] = detections[name]
        for name, value in losses.items():
            fetches["inference " + name] = value
        return session.run(fetches)


def _training(tf: Any, proto: Any, backbone: Any, building_loss: Any) -> dict[str, Any]:
    from object_detection.builders import optimizer_builder

    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step()
        _, _, _, losses = _build(tf, proto, True, building_loss)
        total = tf.add_n([*losses.values(), tf.losses.get_regularization_loss()])
        variables = sorted(tf.trainable_variables(), key=lambda variable: variable.op.name)
        optimizer, _ = optimizer_builder.build(proto.train_config.optimizer)
        # Not tf.gradients: without the optimizer's gates, a weight may change while it is read.
        gradients = optimizer.compute_gradients(total, variables)
        step = optimizer.apply_gradients(gradients)
        _load(tf, session, backbone)
        norms = tf.stack([tf.norm(gradient) for gradient, _ in gradients])
        found = session.run({"gradient_norms": norms, "Loss/total": total, **losses})
        before = session.run(variables)
        session.run(step)
        after = session.run(variables)
        found["update_norms"] = [np.linalg.norm(b - a) for a, b in zip(before, after)]
        found["Loss/total after a step"] = session.run(total)
        return {"training " + name: value for name, value in found.items()}


def _build(tf: Any, proto: Any, training: bool, building_loss: Any) -> Any:
    from object_detection.builders import model_builder

    model = model_builder.build(proto.model, is_training=training, add_summaries=False)
    boxes = ground_truth()
    model.provide_groundtruth(
        [tf.constant(rows) for rows in boxes],
        [tf.ones([len(rows), 1]) for rows in boxes],
        groundtruth_weights_list=[tf.ones([len(rows)]) for rows in boxes],
    )
    inputs, shapes = model.preprocess(tf.constant(images()))
    predictions = model.predict(inputs, shapes)
    with building_loss():
        losses = model.loss(predictions, shapes)
    return model, shapes, predictions, losses


def _load(tf: Any, session: Any, backbone: Any) -> None:
    session.run(tf.global_variables_initializer())
    variables = tf.model_variables()
    restored = sum(backbone.has_tensor(_in_backbone(variable.op.name)) for variable in variables)
    if restored != BACKBONE_TENSORS:
        raise ValueError(f"{restored} variables are in the backbone, not {BACKBONE_TENSORS}")
    for variable in variables:
        value = weights(variable.op.name, variable.shape.as_list(), backbone)
        session.run(variable.initializer, {variable.initializer.inputs[1]: value})


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two arrays, relative to the largest value of the second."""
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-12))

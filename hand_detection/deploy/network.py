"""An SSD's network alone, from pixels to what its heads give, as a frozen TensorFlow graph.

The API's exporter makes a graph with control flow around the network (a loop over the images, NMS
in loops), which other runtimes take badly or not at all. Here is the same network by the same
model_builder, with the anchors as a constant. What comes after it is `decoder`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.evaluator import explain_misfit, variables_to_restore

IMAGE = "image_tensor"  # uint8 or float32 (batch, height, width, 3), RGB, 0 to 255
ENCODINGS = "raw_box_encodings"  # float32 (batch, anchors, 4)
LOGITS = "raw_class_logits"  # float32 (batch, anchors, classes, with the background first)
BOXES = "raw_boxes"  # float32 (batch, anchors, 4): ymin, xmin, ymax, xmax, normalized
SCORES = "raw_scores"  # float32 (batch, anchors, classes), without the background


@dataclass(frozen=True)
class Network:
    """A frozen network.

    Attributes:
        graph: a GraphDef with the nodes named above.
        anchors: float32 (anchors, 4): ymin, xmin, ymax, xmax, normalized.
        size: height and width that the network works at, in pixels.
        batch: how many images it takes at once; None for any number.
    """

    graph: Any
    anchors: np.ndarray
    size: tuple[int, int]
    batch: int | None


def refuse_unfit(proto: Any) -> None:
    """Whether a model can be taken apart into network and post-processing.

    Args:
        proto: a pipeline_pb2.TrainEvalPipelineConfig.

    Raises:
        UserError: it is no SSD, or does something that the decoder does not know.
    """
    kind = proto.model.WhichOneof("model")
    if kind != "ssd":
        raise UserError(f"only an SSD can be exported to this format, not a {kind}: use frozen")
    ssd = proto.model.ssd
    resizer = ssd.image_resizer.WhichOneof("image_resizer_oneof")
    nms = ssd.post_processing.batch_non_max_suppression
    wrong = {
        f"image_resizer {resizer}": resizer != "fixed_shape_resizer",
        "a resize_method": ssd.image_resizer.fixed_shape_resizer.resize_method != 0,
        "convert_to_grayscale": ssd.image_resizer.fixed_shape_resizer.convert_to_grayscale,
        f"box_coder {ssd.box_coder.WhichOneof('box_coder_oneof')}": ssd.box_coder.WhichOneof(
            "box_coder_oneof"
        )
        != "faster_rcnn_box_coder",
        # The later tree only has these.
        "calibration_config": "calibration_config" in _set_fields(ssd.post_processing),
        "soft_nms_sigma": getattr(nms, "soft_nms_sigma", 0),
        "use_class_agnostic_nms": getattr(nms, "use_class_agnostic_nms", False),
        "use_static_shapes": getattr(nms, "use_static_shapes", False),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise UserError(f"a config with {what} cannot be exported to this format: use frozen")


def _set_fields(message: Any) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def freeze(
    config: Any, checkpoint: Path, *, batch: int | None = None, resize: bool = True
) -> Network:
    """The network of `config` with the weights of `checkpoint`, moving averages swapped in.

    Args:
        config: a `pipeline.Pipeline`.
        checkpoint: its prefix.
        batch: the number of images; None for any.
        resize: take uint8 images of any size and resize them as TensorFlow 1 does, else take
            float32 of the network's size.

    Raises:
        UserError: the model is not one for this, or the checkpoint does not fit it.
    """
    proto = config.proto
    refuse_unfit(proto)
    tf = compat.activate()
    from object_detection.builders import model_builder

    resizer = proto.model.ssd.image_resizer.fixed_shape_resizer
    size = (resizer.height, resizer.width)
    with tf.Graph().as_default() as graph, tf.Session() as session, explain_misfit(checkpoint):
        model = model_builder.build(proto.model, is_training=False)
        if resize:
            image = tf.placeholder(tf.uint8, (batch, None, None, 3), IMAGE)
            pixels = resized(image, size)
        else:
            pixels = tf.placeholder(tf.float32, (batch, *size, 3), IMAGE)
        heads = model.predict(model._feature_extractor.preprocess(pixels), None)
        anchors = session.run(model.anchors.get())
        # The shapes are written down, so that runtimes need not work them out.
        shape = (batch or -1, len(anchors))
        encodings = tf.reshape(heads["box_encodings"], (*shape, 4), ENCODINGS)
        logits = heads["class_predictions_with_background"]
        logits = tf.reshape(logits, (*shape, proto.model.ssd.num_classes + 1), LOGITS)
        boxes, _ = model._batch_decode(encodings, tf.constant(anchors))
        tf.identity(boxes, BOXES)
        tf.identity(model._score_conversion_fn(logits)[:, :, 1:], SCORES)
        tf.train.get_or_create_global_step()
        tf.train.Saver(variables_to_restore(proto)).restore(session, str(checkpoint))
        outputs = [ENCODINGS, LOGITS, BOXES, SCORES]
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), outputs
        )
    return Network(tf.graph_util.remove_training_nodes(frozen, outputs), anchors, size, batch)


def resized(image: Any, size: tuple[int, int]) -> Any:
    """As tf.image.resize_images does, float32, by gathering only what that samples.

    Of a Resize other runtimes make first the whole picture float32, and turn its axes into their
    own order; a network of 300 x 300 looks at a small part of it.

    Args:
        image: a uint8 tensor (N, height, width, channels).
        size: height and width to make, in pixels.
    """
    tf = compat.activate()
    before = tf.shape(image)

    def samples(axis: int, after: int) -> tuple[Any, Any, Any]:
        scale = tf.cast(before[axis], tf.float32) / np.float32(after)
        place = np.arange(after, dtype=np.float32) * scale
        first = tf.floor(place)
        near = tf.cast(first, tf.int32)
        return near, tf.minimum(near + 1, before[axis] - 1), place - first

    upper, lower, down = samples(1, size[0])
    left, right, across = samples(2, size[1])

    def row(rows: Any) -> Any:
        start, end = (tf.cast(tf.gather(rows, at, axis=2), tf.float32) for at in (left, right))
        return start + (end - start) * across[:, tf.newaxis]

    top, bottom = (row(tf.gather(image, at, axis=1)) for at in (upper, lower))
    return top + (bottom - top) * down[:, tf.newaxis, tf.newaxis]

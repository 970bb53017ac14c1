"""ONNX: the network converted by tf2onnx, and non-maximum suppression built behind it.

Operators: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection.deploy import network
from hand_detection.deploy.decoder import Suppression
from hand_detection.deploy.job import Job
from hand_detection.deploy.packages import need
from hand_detection.detector import OUTPUTS

# 17 is what TensorRT 8.6 (JetPack 5) still takes; nothing here needs a later one.
OPSET = 17


def write(job: Job, file: Path) -> None:
    """Write an ONNX file that takes pictures of any size and gives detections, all in one.

    Raises:
        UserError: the model cannot be exported so; a package is missing.
    """
    net = job.network(batch=job.batch, resize=True)
    model = convert(net.graph, [network.BOXES, network.SCORES])
    add_suppression(model, Suppression.of(job.config.proto), len(net.anchors))
    save(model, file, job.properties())


def save(model: Any, file: Path, properties: Mapping[str, str]) -> None:
    """Check an onnx.ModelProto and write it, with texts that it carries by name."""
    onnx = need("onnx")
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(file))


def convert(graph: Any, outputs: Sequence[str]) -> Any:
    """A frozen network as an ONNX model, its inputs and outputs named as in the graph.

    Args:
        graph: a GraphDef with the input `network.IMAGE`.
        outputs: nodes of it.

    Returns:
        An onnx.ModelProto.
    """
    need("onnx")
    tf2onnx = need("tf2onnx")
    need("tf2onnx.convert")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            input_names=[f"{network.IMAGE}:0"],
            output_names=[f"{name}:0" for name in outputs],
            opset=OPSET,
        )
    _rename(model, {f"{name}:0": name for name in (network.IMAGE, *outputs)})
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.dim_param:
                dimension.dim_param = ("batch", "height", "width")[axis]
    return model


def _rename(model: Any, names: Mapping[str, str]) -> None:
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)


def add_suppression(model: Any, suppression: Suppression, anchors: int) -> None:
    """Put NMS behind `network.BOXES` and `network.SCORES`; the outputs become the API's.

    detection_boxes float32 (batch, K, 4): ymin, xmin, ymax, xmax, normalized; detection_scores,
    detection_classes float32 (batch, K): ids of the label map; num_detections float32 (batch,).
    K is max_total; what is beyond num_detections is 0.

    Args:
        model: an onnx.ModelProto, changed in place.
        suppression: what the config's post_processing says.
        anchors: how many there are.
    """
    onnx = need("onnx")
    graph = model.graph
    nodes: list[Any] = []

    def constant(name: str, value: Any, dtype: Any) -> str:
        graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, dtype), f"nms/{name}")
        )
        return f"nms/{name}"

    def node(
        kind: str, *inputs: str, name: str, more: Sequence[str] = (), **attributes: Any
    ) -> str:
        outputs = [name if name in OUTPUTS else f"nms/{name}", *(f"nms/{each}" for each in more)]
        nodes.append(
            onnx.helper.make_node(kind, list(inputs), outputs, name=f"nms/{name}/op", **attributes)
        )
        return outputs[0]

    classes = graph.output[[value.name for value in graph.output].index(network.SCORES)]
    classes = classes.type.tensor_type.shape.dim[2].dim_value
    total = min(suppression.max_total, anchors * classes)
    zero, one = constant("zero", 0, np.float32), constant("one", 1, np.float32)
    last = constant("last_axis", [-1], np.int64)

    by_class = node("Transpose", network.SCORES, perm=[0, 2, 1], name="by_class")
    chosen = node(
        "NonMaxSuppression",
        network.BOXES,
        by_class,
        constant("max_per_class", [suppression.max_per_class], np.int64),
        constant("iou_threshold", [suppression.iou_threshold], np.float32),
        constant("score_threshold", [suppression.score_threshold], np.float32),
        name="chosen",
    )
    # The scores of what was chosen, 0 elsewhere: so that the shape does not depend on the picture.
    nowhere = node(
        "ConstantOfShape",
        node("Shape", by_class, name="shape"),
        value=onnx.helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.0]),
        name="nowhere",
    )
    kept = node(
        "ScatterND", nowhere, chosen, node("GatherND", by_class, chosen, name="its"), name="kept"
    )
    # As the API: clipped to the picture after NMS, and left out if nothing remains.
    clipped = node("Clip", network.BOXES, zero, one, name="clipped")
    corners = [
        constant(f"{name}_at", value, np.int64) for name, value in (("low", [0]), ("high", [2]))
    ]
    low = node("Slice", clipped, corners[0], corners[1], last, name="low")
    high = node("Slice", clipped, corners[1], constant("end", [4], np.int64), last, name="high")
    sides = node("Sub", high, low, name="sides")
    area = node("ReduceProd", sides, axes=[2], keepdims=0, name="area")
    inside = node("Cast", node("Greater", area, zero, name="has_area"), to=1, name="inside")
    inside = node(
        "Unsqueeze", inside, constant("class_axis", [1], np.int64), name="inside_by_class"
    )
    flat = node(
        "Reshape",
        node("Mul", kept, inside, name="kept_inside"),
        constant("flat_shape", [0, -1], np.int64),
        name="flat",
    )
    best = node(
        "TopK", flat, constant("total", [total], np.int64), more=["place"], name="detection_scores"
    )
    count = constant("anchors", anchors, np.int64)
    label = node("Div", "nms/place", count, name="label")
    # Not Mod, which TensorRT came to know late.
    anchor = node("Sub", "nms/place", node("Mul", label, count, name="its_first"), name="anchor")
    found = node("Cast", node("Greater", best, zero, name="is_found"), to=1, name="found")
    picked = node(
        "GatherND",
        clipped,
        node("Unsqueeze", anchor, last, name="anchor_index"),
        batch_dims=1,
        name="picked",
    )
    node("Mul", picked, node("Unsqueeze", found, last, name="found_box"), name="detection_boxes")
    # A label map counts classes from 1.
    label = node("Add", node("Cast", label, to=1, name="label_from_0"), one, name="label_from_1")
    node("Mul", label, found, name="detection_classes")
    node("ReduceSum", found, last, keepdims=0, name="num_detections")

    graph.node.extend(nodes)
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    first = batch.dim_value or batch.dim_param
    shapes = ((first, total, 4), (first, total), (first, total), (first,))
    del graph.output[:]
    graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip(OUTPUTS, shapes, strict=True)
    )

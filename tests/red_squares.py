"""A detector whose answer is known: the red square of a picture. As a frozen graph and as ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from hand_detection.exported import FROZEN, LABEL_MAP, ONNX

SIZE = (96, 64)  # width, height
SCORE = 0.75
# Of the square at 40: shares of the size are float32.
BOX = pytest.approx([40, 8, 56, 24], abs=1e-4)


def picture(place: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A dark picture with a red square of 16 pixels, its left edge at `place`."""
    image = Image.new("RGB", size, (20, 30, 40))
    image.paste((250, 10, 10), (place, 8, place + 16, 24))
    return image


def export(folder: Path) -> Path:
    """The label map and the frozen graph, in `folder`."""
    from hand_detection.api import compat

    folder.mkdir()
    tf = compat.activate()
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.uint8, (None, None, None, 3), "image_tensor")
        pixels = tf.cast(image, tf.float32)
        red = pixels[..., 0] - pixels[..., 1] > 120.0

        def ends(axis: int) -> tuple[object, object]:
            line = tf.cast(tf.reduce_any(red, 3 - axis), tf.float32)
            length = tf.shape(line)[1]
            places = tf.cast(tf.range(length), tf.float32)
            low = tf.reduce_min(places + 1e6 * (1 - line), 1)
            high = tf.reduce_max((places + 1) * line, 1)
            return low / tf.cast(length, tf.float32), high / tf.cast(length, tf.float32)

        (ymin, ymax), (xmin, xmax) = ends(1), ends(2)
        there = tf.cast(tf.reduce_any(red, (1, 2)), tf.float32)
        tf.identity(tf.stack([ymin, xmin, ymax, xmax], 1)[:, None], "detection_boxes")
        tf.identity(there[:, None] * SCORE, "detection_scores")
        tf.ones_like(there[:, None], name="detection_classes")
        tf.identity(there, "num_detections")
        (folder / FROZEN).write_bytes(graph.as_graph_def().SerializeToString())
    return _label(folder)


def export_onnx(folder: Path) -> Path:
    """The label map and the ONNX file, in `folder`; the test skips without the package onnx."""
    onnx = pytest.importorskip("onnx", reason="needs the deployment packages")
    import numpy as np

    folder.mkdir()
    make, floats = onnx.helper.make_node, onnx.TensorProto.FLOAT
    nodes, constants = [], {}

    def node(kind: str, *inputs: str, name: str, **attributes: object) -> str:
        nodes.append(make(kind, list(inputs), [name], **attributes))
        return name

    def constant(name: str, value: object, dtype: type) -> str:
        constants[name] = onnx.numpy_helper.from_array(np.array(value, dtype), name)
        return name

    one = constant("one", 1, np.float32)
    pixels = node("Cast", "image_tensor", name="pixels", to=floats)
    colours = [
        node("Gather", pixels, constant(f"{name}_at", place, np.int64), name=name, axis=3)
        for place, name in enumerate(("red", "green"))
    ]
    much = constant("much", 120, np.float32)
    mask = node("Greater", node("Sub", *colours, name="more"), much, name="mask")
    mask = node("Cast", mask, name="mask_float", to=floats)
    ends = {}
    for axis, side in ((1, "y"), (2, "x")):
        line = node("ReduceMax", mask, name=f"line_{side}", axes=[3 - axis], keepdims=0)
        length = node("Shape", "image_tensor", name=f"length_{side}", start=axis, end=axis + 1)
        length = node("Cast", length, name=f"length_{side}_float", to=floats)
        for end, last in (("min", 0), ("max", 1)):
            name = f"{side}{end}"
            place = node(
                "ArgMax", line, name=f"{name}_at", axis=1, keepdims=1, select_last_index=last
            )
            place = node("Cast", place, name=f"{name}_float", to=floats)
            place = node("Add", place, one, name=f"{name}_after") if last else place
            ends[name] = node("Div", place, length, name=name)
    corners = [ends[name] for name in ("ymin", "xmin", "ymax", "xmax")]
    box = node("Concat", *corners, name="box", axis=1)
    node("Unsqueeze", box, constant("axis", [1], np.int64), name="detection_boxes")
    there = node("ReduceMax", mask, name="num_detections", axes=[1, 2], keepdims=0)
    there = node("Unsqueeze", there, "axis", name="detection_classes")
    node("Mul", there, constant("score", SCORE, np.float32), name="detection_scores")
    value = onnx.helper.make_tensor_value_info
    image = value("image_tensor", onnx.TensorProto.UINT8, ("batch", "height", "width", 3))
    shapes = {
        "detection_boxes": ("batch", 1, 4),
        "detection_scores": ("batch", 1),
        "detection_classes": ("batch", 1),
        "num_detections": ("batch",),
    }
    outputs = [value(name, floats, shape) for name, shape in shapes.items()]
    graph = onnx.helper.make_graph(nodes, "red", [image], outputs, list(constants.values()))
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(folder / ONNX))
    return _label(folder)


def _label(folder: Path) -> Path:
    (folder / LABEL_MAP).write_text("item { id: 1 name: 'red square' }\n")
    return folder

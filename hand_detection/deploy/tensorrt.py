"""ONNX for TensorRT: what the device's own trtexec takes, in three forms.

    network_*.onnx      what the heads give; decoder.py decodes it. Any TensorRT with ONNX.
    nms_graph_*.onnx    detections, NMS by ONNX's operator. TensorRT 8.5 or later.
    nms_plugin_*.onnx   detections, NMS by the plugin EfficientNMS_TRT. TensorRT 8.0 or later.

All take float32 (batch, height, width, 3) of the network's size: TensorRT before 8.6 has no 8-bit
input. https://github.com/NVIDIA/TensorRT/tree/main/plugin/efficientNMSPlugin
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hand_detection.deploy import decoder, network, onnx_graph, resizing
from hand_detection.deploy.decoder import Decoder, Suppression
from hand_detection.deploy.job import DECODER, PROPERTIES, Job
from hand_detection.deploy.packages import need
from hand_detection.paths import ROOT

PLUGIN = "EfficientNMS_TRT"
JETSON = ROOT / "tools" / "jetson"  # scripts that go with the files to the device


def write(job: Job, folder: Path) -> None:
    """Write the three forms for a batch of one and of any size, or of `job.batch` only.

    Raises:
        UserError: the model cannot be exported so; a package is missing.
    """
    onnx = need("onnx")
    suppression = Suppression.of(job.config.proto)
    for batch in (1, None) if job.batch is None else (job.batch,):
        net = job.network(batch=batch, resize=False)
        form = "dynamic" if batch is None else f"batch{batch}"
        reference = Decoder.of(job.config.proto, net.anchors).text()
        properties = {**job.properties(), "decoder": reference}

        raw = onnx_graph.convert(net.graph, [network.ENCODINGS, network.LOGITS])
        onnx_graph.save(raw, folder / f"network_{form}.onnx", properties)

        decoded = onnx_graph.convert(net.graph, [network.BOXES, network.SCORES])
        with_plugin = onnx.ModelProto.FromString(decoded.SerializeToString())
        add_plugin(with_plugin, suppression)
        onnx_graph.save(with_plugin, folder / f"nms_plugin_{form}.onnx", properties)

        onnx_graph.add_suppression(decoded, suppression, len(net.anchors))
        onnx_graph.save(decoded, folder / f"nms_graph_{form}.onnx", properties)
    (folder / DECODER).write_text(reference, encoding="utf-8")
    (folder / PROPERTIES).write_text(json.dumps(job.properties()), encoding="utf-8")
    for file in (decoder.__file__, resizing.__file__, JETSON / "build.sh", JETSON / "detect.py"):
        shutil.copy(file, folder)


def add_plugin(model: Any, suppression: Suppression) -> None:
    """Put the plugin's node behind `network.BOXES` and `network.SCORES`.

    Its outputs: num_detections int32 (batch, 1), detection_boxes float32 (batch, K, 4),
    detection_scores (batch, K), detection_classes int32 (batch, K), counted from 0.

    Args:
        model: an onnx.ModelProto, changed in place.
        suppression: what the config's post_processing says; K is its max_total. The plugin has no
            limit per class.
    """
    onnx = need("onnx")
    kinds, total = onnx.TensorProto, suppression.max_total
    outputs = {
        "num_detections": (kinds.INT32, [1]),
        "detection_boxes": (kinds.FLOAT, [total, 4]),
        "detection_scores": (kinds.FLOAT, [total]),
        "detection_classes": (kinds.INT32, [total]),
    }
    model.graph.node.append(
        onnx.helper.make_node(
            PLUGIN,
            [network.BOXES, network.SCORES],
            list(outputs),
            name=PLUGIN,
            domain="TRT",
            plugin_version="1",
            background_class=-1,
            max_output_boxes=total,
            score_threshold=suppression.score_threshold,
            iou_threshold=suppression.iou_threshold,
            score_activation=0,
            box_coding=0,
        )
    )
    model.opset_import.append(onnx.helper.make_opsetid("TRT", 1))
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    first = batch.dim_value or batch.dim_param
    del model.graph.output[:]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, kind, [first, *shape])
        for name, (kind, shape) in outputs.items()
    )


def without_plugin(file: Path) -> bytes | None:
    """The model in `file` with what the plugin takes as its outputs; None if it has no plugin."""
    onnx = need("onnx")
    model = onnx.load(str(file))
    nodes = [node for node in model.graph.node if node.op_type == PLUGIN]
    if not nodes:
        return None
    inputs = list(nodes[0].input)
    model.graph.node.remove(nodes[0])
    del model.graph.output[:]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inputs
    )
    return model.SerializeToString()

"""The one list of formats to export to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hand_detection.exported import FROZEN, ONNX, OPENVINO, SAVED_MODEL, TFLITE

if TYPE_CHECKING:
    from hand_detection.deploy.job import Job


def _api(job: Job, folder: Path) -> None:
    from hand_detection.deploy import api_graph

    api_graph.write(job, folder)


def _frozen(job: Job, folder: Path) -> None:
    _api(job, folder)
    shutil.rmtree(folder / SAVED_MODEL)


def _saved_model(job: Job, folder: Path) -> None:
    _api(job, folder)
    (folder / FROZEN).unlink()


def _tflite(job: Job, folder: Path) -> None:
    from hand_detection.deploy import tflite

    tflite.write(job, folder / TFLITE, integers=False)


def _tflite_int8(job: Job, folder: Path) -> None:
    from hand_detection.deploy import tflite

    tflite.write(job, folder / TFLITE, integers=True)


def _onnx(job: Job, folder: Path) -> None:
    from hand_detection.deploy import onnx_graph

    onnx_graph.write(job, folder / ONNX)


def _openvino(job: Job, folder: Path) -> None:
    from hand_detection.deploy import openvino_ir

    openvino_ir.write(job, folder / OPENVINO)


def _tensorrt(job: Job, folder: Path) -> None:
    from hand_detection.deploy import tensorrt

    tensorrt.write(job, folder)


@dataclass(frozen=True)
class Format:
    """A format to export to.

    Attributes:
        write: writes it into an empty folder.
        models: what in the folder can be opened for detection, as glob patterns.
        packages: that making and running it needs, as they are imported.
        network_alone: whether the network is taken apart from what comes after it.
        integers: whether it computes in 8-bit integers.
    """

    write: Callable[[Job, Path], None]
    models: tuple[str, ...]
    packages: tuple[str, ...] = ()
    network_alone: bool = True
    integers: bool = False


FORMATS = {
    "frozen": Format(_frozen, (FROZEN,), network_alone=False),
    "savedmodel": Format(_saved_model, (SAVED_MODEL,), network_alone=False),
    "tflite": Format(_tflite, (TFLITE,), ("ai_edge_litert",)),
    "tflite-int8": Format(_tflite_int8, (TFLITE,), ("ai_edge_litert",), integers=True),
    "onnx": Format(_onnx, (ONNX,), ("onnx", "tf2onnx", "onnxruntime")),
    "openvino": Format(_openvino, (OPENVINO,), ("onnx", "tf2onnx", "openvino")),
    "tensorrt": Format(_tensorrt, ("*.onnx",), ("onnx", "tf2onnx", "onnxruntime")),
}
# Both lie in one folder where both are asked for: it is one exporter that writes them.
BOTH = Format(_api, (FROZEN, SAVED_MODEL), network_alone=False)

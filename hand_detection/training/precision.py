"""The arithmetic of a training: float32, or bfloat16 where the processor has it.

In bfloat16, convolutions and what stands between them are computed with 8 bits of mantissa; the
weights, their update and the loss stay float32. It is TensorFlow's own rewriting of the graph
(grappler's auto_mixed_precision_onednn_bfloat16). Results differ from float32's beyond rounding.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hand_detection.api import compat
from hand_detection.console import UserError

FLOAT32, BFLOAT16 = "float32", "bfloat16"
CHOICES = (FLOAT32, BFLOAT16)

# oneDNN has no quick kernel for this one's stride of 2: in bfloat16 it takes five times as long.
SLOW = "DepthwiseConv2dNativeBackpropInput"
BARRIER = "EnsureShape"  # does nothing, and stands nowhere else
LISTS = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_"
CHANGES = {  # of the lists that the rewriting goes by
    "ALLOWLIST_REMOVE": SLOW,  # not in bfloat16 at any rate,
    "INFERLIST_ADD": SLOW,  # but where it gets bfloat16,
    "CLEARLIST_REMOVE": BARRIER,
    "DENYLIST_ADD": BARRIER,  # which what comes from this never is
}
_GRADIENT = "StridedDepthwiseInFloat32"


@contextmanager
def gradients(precision: str) -> Iterator[None]:
    """What is built in the block has gradients that are quick in `precision`."""
    if precision != BFLOAT16:
        yield
        return
    tf = compat.activate()
    _register()
    with tf.get_default_graph().gradient_override_map({"DepthwiseConv2dNative": _GRADIENT}):
        yield


@cache
def _register() -> None:
    tf = compat.activate()

    @tf.RegisterGradient(_GRADIENT)
    def strided_in_float32(convolution: Any, gradient: Any) -> list[Any]:
        image, kernel = convolution.inputs
        same = {
            name: convolution.get_attr(name)
            for name in ("dilations", "strides", "padding", "explicit_paddings", "data_format")
        }
        strided = convolution.get_attr("strides")[1] > 1
        apart = tf.ensure_shape(gradient, gradient.shape) if strided else gradient
        return [
            tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(image), filter=kernel, out_backprop=apart, **same
            ),
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=image, filter_sizes=tf.shape(kernel), out_backprop=gradient, **same
            ),
        ]


def session_config(precision: str) -> Any:
    """A tf.ConfigProto for a training in `precision`, one of CHOICES.

    Raises:
        UserError: the processor has no such arithmetic.
    """
    tf = compat.activate()
    config = tf.ConfigProto()
    if precision == BFLOAT16:
        require_bfloat16()
        from tensorflow.core.protobuf import rewriter_config_pb2

        # TensorFlow reads these when it rewrites a graph.
        os.environ.update({f"{LISTS}{name}": kind for name, kind in CHANGES.items()})
        rewriting = config.graph_options.rewrite_options
        rewriting.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return config


def require_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Check that the processor computes in bfloat16.

    Args:
        cpuinfo: the kernel's list of what the processor has.

    Raises:
        UserError: it does not; emulated, it would be slower than float32.
    """
    if not re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", cpuinfo.read_text(encoding="utf-8")):
        raise UserError(
            "this processor has no bfloat16 arithmetic (avx512_bf16, amx_bf16 or bf16 in "
            f"{cpuinfo}): train in float32"
        )

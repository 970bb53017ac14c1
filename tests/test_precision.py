"""Training in bfloat16: quicker where the processor has it, refused where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.training import precision


def has_bfloat16() -> bool:
    try:
        precision.require_bfloat16()
    except UserError:
        return False
    return True


def test_a_processor_without_it_is_told_in_one_line(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu sse2 avx2 avx512f avx512vl\n")
    with pytest.raises(UserError, match=r"no bfloat16 arithmetic.*train in float32"):
        precision.require_bfloat16(cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 avx512vl\n")
    precision.require_bfloat16(cpuinfo)


needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16(), reason="this processor has no bfloat16 arithmetic"
)


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in precision.CHANGES:
        monkeypatch.setenv(f"{precision.LISTS}{name}", "")  # what was there comes back at the end


@needs_bfloat16
def test_convolutions_are_computed_in_bfloat16_and_weights_stay_float32() -> None:
    tf = compat.activate()
    random = np.random.default_rng(1)
    images = random.random((8, 64, 64, 32), np.float32)

    def run(chosen: str) -> tuple[np.ndarray, set[str]]:
        with tf.Graph().as_default(), tf.Session(config=precision.session_config(chosen)) as one:
            tf.set_random_seed(1)
            weights = tf.get_variable("weights", (3, 3, 32, 32))
            inputs = tf.placeholder(tf.float32, images.shape)
            output = tf.nn.conv2d(tf.nn.conv2d(inputs, weights, 1, "SAME"), weights, 1, "SAME")
            one.run(tf.global_variables_initializer())
            metadata = tf.RunMetadata()
            options = tf.RunOptions(output_partition_graphs=True)
            value = one.run(output, {inputs: images}, options, metadata)
            nodes = [node for graph in metadata.partition_graphs for node in graph.node]
            types = {tf.as_dtype(node.attr["T"].type).name for node in nodes if "Conv2D" in node.op}
            assert weights.dtype.base_dtype == tf.float32
            return value, types

    exact, types = run(precision.FLOAT32)
    assert types == {"float32"}
    rounded, types = run(precision.BFLOAT16)
    assert "bfloat16" in types
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    assert 0 < error < 2**-6


@needs_bfloat16
def test_of_depthwise_gradients_only_the_strided_ones_stay_float32() -> None:
    tf = compat.activate()

    def run(chosen: str) -> tuple[np.ndarray, dict[str, str]]:
        with tf.Graph().as_default(), tf.Session(config=precision.session_config(chosen)) as one:
            tf.set_random_seed(1)
            image = tf.get_variable("image", (2, 32, 32, 16))
            mixing = tf.get_variable("mixing", (1, 1, 16, 16))
            each = tf.get_variable("each", (3, 3, 16, 1))
            with precision.gradients(chosen):
                output = tf.nn.conv2d(image, mixing, 1, "SAME")
                for stride in (1, 2):
                    strides = (1, stride, stride, 1)
                    output = tf.nn.depthwise_conv2d_native(
                        output, each, strides, "SAME", name=f"stride{stride}"
                    )
                    output = tf.nn.conv2d(output, mixing, 1, "SAME")
            gradients = tf.gradients(tf.reduce_sum(output * output), [image, each])
            one.run(tf.global_variables_initializer())
            metadata = tf.RunMetadata()
            options = tf.RunOptions(output_partition_graphs=True)
            values = one.run(gradients, None, options, metadata)
            return np.concatenate([value.ravel() for value in values]), {
                node.name.split("/")[1]: tf.as_dtype(node.attr["T"].type).name
                for graph in metadata.partition_graphs
                for node in graph.node
                if "DepthwiseConv2dNativeBackpropInput" in node.op
            }

    exact, types = run(precision.FLOAT32)
    assert types == {"stride1_grad": "float32", "stride2_grad": "float32"}
    rounded, types = run(precision.BFLOAT16)
    assert types == {"stride1_grad": "bfloat16", "stride2_grad": "float32"}
    assert 0 < np.abs(rounded - exact).max() / np.abs(exact).max() < 2**-5

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


@pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16 arithmetic")
def test_convolutions_are_computed_in_bfloat16_and_weights_stay_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ALLOWLIST_REMOVE", "DENYLIST_ADD"):
        monkeypatch.setenv(f"{precision.LISTS}{name}", "")  # put back at the end
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

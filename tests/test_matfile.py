"""polygons.mat as SciPy reads it, by a reader that nothing can crash."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from hand_detection import matfile

VALUES = (
    np.array([[1.5, 2.25], [3.0, -4.0], [5.0, 1e-300]]),
    np.arange(6.0).reshape(3, 2),
    np.array([[1, 2], [300, -4]], np.int16),
    np.array([[1, 2]], np.uint8),
    np.array([[0.5, 0.25]], np.float32),
    np.zeros((0, 0), np.uint8),
    np.zeros((0, 2)),
    np.array([[2**40, 1]], np.int64),
    np.arange(24.0).reshape(2, 3, 4),
)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_array_is_what_scipy_reads(compressed):
    polygons = np.zeros((1, len(VALUES)), [("left", object), ("a_longer_name", object)])
    for record, value in zip(polygons[0], VALUES, strict=True):
        record["left"], record["a_longer_name"] = value, value[::-1]
    file = io.BytesIO()
    other = np.ones((3, 3))
    savemat(file, {"other": other, "polygons": polygons, "z": other}, do_compression=compressed)
    found = matfile.read_struct(file.getvalue(), "polygons", 1 << 20)
    expected = loadmat(io.BytesIO(file.getvalue()))["polygons"]
    assert found.shape == expected.shape == (1, len(VALUES))
    assert found.fields == expected.dtype.names
    for mine, scipys in zip(found.records, expected[0], strict=True):
        for name in found.fields:
            assert mine[name].dtype == scipys[name].dtype
            np.testing.assert_array_equal(mine[name], scipys[name])


def test_another_variable_is_none_and_no_struct_has_no_fields():
    file = io.BytesIO()
    savemat(file, {"other": np.ones((2, 3))})
    assert matfile.read_struct(file.getvalue(), "polygons", 1 << 20) is None
    assert matfile.read_struct(file.getvalue(), "other", 1 << 20).fields == ()

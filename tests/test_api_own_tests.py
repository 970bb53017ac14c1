"""The API's own unit tests pass on the installed, ported tree: the quick ones of them.

All of them: tests/reference/api_tests.py.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPT = ROOT / "tests/reference/api_tests.py"

# Test files of what the models are made of, and how many tests each has on PyPI's copy of the API.
QUICK = {
    "anchor_generators/flexible_grid_anchor_generator_test.py": 11,
    "anchor_generators/grid_anchor_generator_test.py": 3,
    "anchor_generators/multiple_grid_anchor_generator_test.py": 10,
    "anchor_generators/multiscale_grid_anchor_generator_test.py": 11,
    "box_coders/faster_rcnn_box_coder_test.py": 5,
    "box_coders/keypoint_box_coder_test.py": 5,
    "box_coders/mean_stddev_box_coder_test.py": 2,
    "box_coders/square_box_coder_test.py": 5,
    "builders/anchor_generator_builder_test.py": 11,
    "builders/box_coder_builder_test.py": 8,
    "builders/box_predictor_builder_test.py": 16,
    "builders/calibration_builder_test.py": 7,
    "builders/hyperparams_builder_test.py": 35,
    "builders/image_resizer_builder_test.py": 13,
    "builders/input_reader_builder_test.py": 3,
    "builders/losses_builder_test.py": 28,
    "builders/matcher_builder_test.py": 5,
    "builders/model_builder_test.py": 15,
    "builders/optimizer_builder_test.py": 11,
    "builders/post_processing_builder_test.py": 8,
    "builders/preprocessor_builder_test.py": 35,
    "builders/region_similarity_calculator_builder_test.py": 3,
    "core/balanced_positive_negative_sampler_test.py": 10,
    "core/batcher_test.py": 4,
    "core/box_coder_test.py": 1,
    "core/box_list_ops_test.py": 64,
    "core/box_list_test.py": 10,
    "core/class_agnostic_nms_test.py": 4,
    "core/freezable_batch_norm_test.py": 2,
    "core/keypoint_ops_test.py": 11,
    "core/losses_test.py": 37,
    "core/matcher_test.py": 13,
    "core/minibatch_sampler_test.py": 5,
    "core/multiclass_nms_test.py": 12,
    "core/prefetcher_test.py": 2,
    "core/region_similarity_calculator_test.py": 4,
    "core/target_assigner_test.py": 23,
    "matchers/argmax_matcher_test.py": 12,
    "matchers/bipartite_matcher_test.py": 5,
    "metrics/coco_evaluation_test.py": 14,
    "utils/config_util_test.py": 40,
    "utils/dataset_util_test.py": 1,
    "utils/label_map_util_test.py": 14,
    "utils/learning_schedules_test.py": 7,
    "utils/metrics_test.py": 8,
    "utils/np_box_list_ops_test.py": 31,
    "utils/np_box_list_test.py": 13,
    "utils/np_box_mask_list_ops_test.py": 9,
    "utils/np_box_mask_list_test.py": 14,
    "utils/np_box_ops_test.py": 5,
    "utils/np_mask_ops_test.py": 5,
    "utils/object_detection_evaluation_test.py": 24,
    "utils/per_image_evaluation_test.py": 30,
    "utils/static_shape_test.py": 5,
    "utils/variables_helper_test.py": 13,
}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict[str, dict]:
    """A row of counts a test file."""
    from hand_detection.api.compat import RESEARCH

    files = [f"object_detection/{name}" for name in QUICK]
    files = [name for name in files if (RESEARCH / name).is_file()]
    out = tmp_path_factory.mktemp("api") / "report.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), *files, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text(encoding="utf-8"))


def test_what_the_models_are_made_of_passes_its_own_tests(report):
    assert {name: row["failed"] for name, row in report.items() if row["failed"]} == {}
    assert all(row["passed"] for row in report.values())


def test_no_test_of_the_registrys_tree_is_left_out(report):
    from hand_detection.api import install
    from hand_detection.files import read_json
    from hand_detection.paths import API

    if read_json(API / install.RECORD)["source"]["kind"] != "registry":
        pytest.skip("the pinned commit has other numbers of tests")
    tests = {name.removeprefix("object_detection/"): row["tests"] for name, row in report.items()}
    assert tests == QUICK


def test_a_failure_that_nobody_has_explained_is_told(tmp_path):
    sys.path.append(str(SCRIPT.parent))
    import api_tests

    failing = "object_detection/utils/json_utils_test.py"
    assert "FLOAT_REPR" in api_tests.known_reason(failing, "JsonUtilsTest.testDumpZeroPrecision")
    assert api_tests.known_reason("object_detection/core/losses_test.py", "A.test_b") is None

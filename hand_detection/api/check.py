"""Checks an installed API: everything that the models use imports, and its own test passes.

Run as a program of its own, since TensorFlow's start is not to be paid by the installer:
    python -m hand_detection.api.check RESEARCH_FOLDER
"""

from __future__ import annotations

import argparse
import importlib
import io
import unittest
from pathlib import Path

from hand_detection import console
from hand_detection.api import compat
from hand_detection.console import UserError, say

# What the pipeline imports; each of them imports the rest that a model needs.
MODULES = (
    "object_detection.builders.model_builder",
    "object_detection.builders.dataset_builder",
    "object_detection.builders.optimizer_builder",
    "object_detection.builders.preprocessor_builder",
    "object_detection.data_decoders.tf_example_decoder",
    "object_detection.eval_util",
    "object_detection.exporter",
    "object_detection.inputs",
    "object_detection.metrics.coco_evaluation",
    "object_detection.metrics.coco_tools",
    "object_detection.model_lib",
    "object_detection.utils.config_util",
    "object_detection.utils.label_map_util",
    "object_detection.utils.visualization_utils",
    "nets.inception_resnet_v2",
    "nets.inception_v2",
    "nets.mobilenet.mobilenet_v2",
    "nets.mobilenet_v1",
    "nets.resnet_v1",
)
OWN_TEST = "object_detection.builders.model_builder_test"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("research", type=Path, help="folder with object_detection/ and slim/")
    research = parser.parse_args().research.resolve()

    compat.activate(research)
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # whatever a third-party module raises at import
            raise UserError(f"{name} does not import: {type(error).__name__}: {error}") from error
        if not Path(module.__file__).is_relative_to(research):
            raise UserError(f"{name} comes from {module.__file__}, not from {research}")

    tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(OWN_TEST))
    output = io.StringIO()
    result = unittest.TextTestRunner(output).run(tests)
    if not result.wasSuccessful() or result.testsRun == 0:
        raise UserError(f"the API's own {OWN_TEST} fails:\n{output.getvalue()}")
    say(
        f"{len(MODULES)} modules import; {OWN_TEST.rpartition('.')[2]}: "
        f"{result.testsRun} tests, {len(result.skipped)} skipped, 0 failed"
    )


if __name__ == "__main__":
    console.run(main)

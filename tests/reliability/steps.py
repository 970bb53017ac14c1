"""The list of the steps that the crash tests interrupt."""

from __future__ import annotations

from data_steps import CONVERT, DOWNLOAD, EXPORT_DATASET, PREPARE, SAMPLE, TFRECORDS
from install_steps import PORT, VENV
from model_steps import EVAL, EXPORT, TRAIN

QUICK = (PREPARE, TFRECORDS, DOWNLOAD)
STEPS = (
    DOWNLOAD, PREPARE, SAMPLE, TFRECORDS, CONVERT, EXPORT_DATASET, TRAIN, EVAL, EXPORT, PORT, VENV,
)  # fmt: skip

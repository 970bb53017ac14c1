#!/usr/bin/env python3
"""Run the API's own unit tests on the installed, ported tree; a table, a row a test file.

    .venv/bin/python tests/reference/api_tests.py [FILE ...] [--out REPORT.json]
    DIR/venv/bin/python tests/reference/api_tests.py [FILE ...]

The second line runs them on the original stack, TensorFlow 1.15.5 and the API unported, to tell
what fails there too; benchmarks/original/setup.sh makes DIR. FILE is relative to the API's
research folder; default: every *_test.py in it. Each file runs in a process of its own.
known_failures.json says of tests that fail why that does not matter; what else fails makes the exit
status 1.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KNOWN_FAILURES = Path(__file__).with_name("known_failures.json")
TIMEOUT = 900  # seconds a file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="REPORT.json", help="the table as JSON")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S", help="seconds a file (%(default)s)"
    )
    parser.add_argument(
        "--research", type=Path, metavar="DIR", help="another ported tree than the installed one"
    )
    arguments = parser.parse_args()
    research = activate(arguments.research)
    files = arguments.files or test_files(research)
    missing = sorted(name for name in files if not (research / name).is_file())
    if missing:
        sys.exit(f"error: {research} has no {missing[0]}")

    print(f"{'file':<68}{'tests':>6}{'passed':>7}{'skipped':>8}{'failed':>7}{'s':>6}")
    report, unknown = {}, 0
    for name in files:
        row = report[name] = run(name, arguments.timeout)
        counts = f"{row['tests']:6d}{row['passed']:7d}{row['skipped']:8d}{len(row['failed']):7d}"
        print(f"{name:<68}{counts}{row['seconds']:6.0f}", flush=True)
        for test, reason in row["failed"].items():
            why = known_reason(name, test)
            unknown += why is None
            print(f"    {test}: {reason}\n        {'UNKNOWN' if why is None else why}")
        if arguments.out:
            partial = arguments.out.with_name(arguments.out.name + ".partial")
            partial.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            partial.replace(arguments.out)
    print(summary(report))
    sys.exit(1 if unknown else 0)


def known_reason(file: str, test: str) -> str | None:
    """Why it does not matter that a test fails; None if nobody has said."""
    # The parameters of a parameterized test stand in brackets behind its name.
    name = f"{file}: {test.split(' (')[0]}"
    known = json.loads(KNOWN_FAILURES.read_text(encoding="utf-8"))
    return next((why for glob, why in known.items() if fnmatch.fnmatchcase(name, glob)), None)


def activate(research: Path | None = None) -> Path:
    """Load TensorFlow, of this Python's stack, into this process; return the research folder."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if sys.version_info < (3, 8):
        import tensorflow as tf
        from object_detection import protos

        tf.logging.set_verbosity(tf.logging.ERROR)
        return Path(protos.__file__).resolve().parents[2]
    sys.path.insert(0, str(ROOT))
    from hand_detection.api import compat

    research = (research or compat.RESEARCH).resolve()
    compat.activate(research)
    return research


def test_files(research: Path) -> list[str]:
    """Every test file of the API, relative to `research`, sorted."""
    return sorted(path.relative_to(research).as_posix() for path in research.rglob("*_test.py"))


def module_name(file: str) -> str:
    """The module that a test file is: slim's packages are imported from slim/."""
    path = file[len("slim/") :] if file.startswith("slim/") else file
    return path[: -len(".py")].replace("/", ".")


def run(file: str, timeout: float = TIMEOUT) -> dict:
    """Run a test file in a forked process, which has TensorFlow loaded already.

    Returns:
        tests, passed, skipped: numbers; failed: reasons by test, among them
        "(import)", "(time-out)" and "(crash)" for the file as a whole; seconds.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        process = multiprocessing.get_context("fork").Process(
            target=_child, args=(module_name(file), result)
        )
        process.start()
        process.join(timeout)
        row = {"tests": 0, "passed": 0, "skipped": 0, "failed": {}}
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            row["failed"]["(time-out)"] = f"not done in {timeout:.0f} s"
        elif result.is_file():
            row = json.loads(result.read_text(encoding="utf-8"))
        else:
            row["failed"]["(crash)"] = f"the process ended with {process.exitcode}"
    row["seconds"] = round(time.monotonic() - started, 1)
    return row


def _child(module: str, result: Path) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(result.parent)
    try:
        row = _run_tests(module)
    except Exception as error:  # whatever a test module raises at import
        failed = {"(import)": _reason(f"{type(error).__name__}: {error}")}
        row = {"tests": 0, "passed": 0, "skipped": 0, "failed": failed}
    partial = result.with_name("partial")
    partial.write_text(json.dumps(row), encoding="utf-8")
    partial.replace(result)
    # Not by way of atexit: TensorFlow's threads may not end.
    os._exit(0)


def _run_tests(module: str) -> dict:
    from absl import flags

    tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
    if not flags.FLAGS.is_parsed():
        flags.FLAGS([module])
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        result = unittest.TextTestRunner(nowhere).run(tests)
    bad = [*result.failures, *result.errors]
    # tf.test.TestCase adds a test_session that is skipped: no test of the API's.
    skipped = [test for test, _ in result.skipped if not test.id().endswith(".test_session")]
    own = result.testsRun - (len(result.skipped) - len(skipped))
    failed = {
        test.id().split(".", module.count(".") + 1)[-1]: _last_line(text) for test, text in bad
    }
    return {
        "tests": own,
        "passed": own - len(failed) - len(skipped),
        "skipped": len(skipped),
        "failed": failed,
    }


def _last_line(trace: str) -> str:
    """What a traceback ends with: the exception and its first line of text."""
    found = re.findall(
        r"^(?!Traceback|During|The above)([\w.]+(?:Error|Exception|Warning)\b.*)$", trace, re.M
    )
    return _reason(found[-1] if found else trace.strip().splitlines()[-1])


def _reason(text: str) -> str:
    return " ".join(text.split())[:200]


def summary(report: dict) -> str:
    """The counts over all rows, in a line."""
    whole = sum(not row["failed"] for row in report.values())
    tests, passed, skipped = (
        sum(row[key] for row in report.values()) for key in ("tests", "passed", "skipped")
    )
    return (
        f"{whole} of {len(report)} files pass; of {tests} tests {passed} pass, "
        f"{skipped} are skipped"
    )


if __name__ == "__main__":
    main()

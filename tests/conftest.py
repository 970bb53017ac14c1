"""What several test files share: a tiny archive, and the steps run as a user runs them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Of a shell that runs the tests in the background they inherit to ignore Ctrl-C, and hand it on.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Their fixtures are there for every test.
pytest_plugins = ("trained",)

REAL = ROOT.parent / "shared" / "egohands"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker begins one when the others are done."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def real_frames() -> Path:
    """The folder with 300 real frames; the test skips where it is not."""
    if not (REAL / "egohands_data_300.zip").exists():
        pytest.skip(f"needs the real frames in {REAL}")
    return REAL


@pytest.fixture
def step() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script of the repository as a user does."""

    def run(script: str, *args: object, **options) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / script), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small archive: one test video, one val video, one train video, four frames each."""
    from small_data import archive_members, write_archive

    return write_archive(tmp_path / "small.zip", archive_members())

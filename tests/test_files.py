"""Files that are whole or not there: what may stand in their place, and what may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hand_detection import files
from hand_detection.console import UserError


@pytest.fixture(params=["pipe", "device"])
def special(request, tmp_path):
    """Something in the file system that is neither file nor folder."""
    path = tmp_path / request.param
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        try:
            os.mknod(path, 0o020666, os.makedev(1, 3))  # as /dev/null
        except PermissionError:
            pytest.skip("needs root")
    return path


def test_a_device_or_pipe_is_never_replaced(special):
    before = special.stat()
    for write in (
        lambda: files.write_json(special, {}),
        lambda: files.new_file(special, overwrite=True).__enter__(),
        lambda: files.new_folder(special, overwrite=True).__enter__(),
        lambda: files.move_aside(special),
    ):
        with pytest.raises(UserError, match="is a device, a pipe or the like"):
            write()
    assert special.stat() == before
    assert list(special.parent.iterdir()) == [special]


def test_nothing_is_written_beside_the_devices():
    path = Path("/dev/of_test_files.json")  # /dev/stdout is a link, to a regular file if redirected
    with pytest.raises(UserError, match="is a device, a pipe or the like"):
        files.write_json(path, {})
    assert not path.exists()


def test_what_a_killed_run_left_as_another_kind_gives_way(tmp_path):
    (tmp_path / ".folder.partial").write_text("left")
    with files.whole_folder(tmp_path / "folder") as partial:
        (partial / "new").touch()
    (tmp_path / ".file.partial").mkdir()
    (tmp_path / ".file.partial" / "left").touch()
    files.write_text(tmp_path / "file", "new")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["new"]
    assert (tmp_path / "file").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.parametrize("name", [".", "/", ""])
def test_a_name_of_nothing_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(UserError, match="is no name of a file or folder to write"),
        files.new_folder(Path(name), overwrite=True),
    ):
        pass

"""Class names and their ids: the API's label map, a small text file.

item {
  id: 1
  name: 'hand'
}
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from hand_detection.console import UserError, is_text
from hand_detection.files import write_text
from hand_detection.paths import DATA, shown

FILE = "label_map.pbtxt"  # of a data set, in its folder
LARGEST_ID = 32767  # a detector has an output for each id up to the largest
HANDS = DATA / "hand_label_map.pbtxt"

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r,;]+|\#[^\n]*) | (?P<newline>\n)
      | (?P<string>'[^'\n]*'|"[^"\n]*") | (?P<number>-?\d+) | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[{}:])""",
    re.VERBOSE,
)
_FIELDS = {"id": "number", "name": "string", "display_name": "string"}


def of_data(data: Path) -> Path:
    """The label map of the data set in the folder `data`: its own, or else the hands'."""
    own = data / FILE
    return own if own.exists() else HANDS


def read_label_map(path: Path) -> dict[str, int]:
    """The ids (1, 2, ...) by class name, in the order of the file.

    Raises:
        UserError: the file is missing or not a label map; names the line.
    """

    def wrong(line: int, what: str) -> UserError:
        return UserError(f"{shown(path)}, line {line}: {what}")

    if not path.is_file():
        raise UserError(f"there is no label map {shown(path)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)} is not UTF-8 text: save it as UTF-8") from None

    tokens: deque[tuple[str, str, int]] = deque()
    line, at = 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise wrong(line, f"{text[at]!r} has no place in a label map")
        if match.lastgroup == "newline":
            line += 1
        elif match.lastgroup != "space":
            tokens.append((match.lastgroup, match.group(), line))
        at = match.end()

    def take(kind: str, expected: str, value: str | None = None) -> tuple[str, int]:
        if not tokens:
            raise wrong(line, f"the file ends where {expected} should stand")
        found_kind, found, found_line = tokens.popleft()
        if found_kind != kind or (value is not None and found != value):
            raise wrong(found_line, f"{found} stands where {expected} should")
        return found, found_line

    ids: dict[str, int] = {}
    numbers: set[int] = set()
    while tokens:
        _, start = take("word", "'item'", "item")
        if tokens and tokens[0][1] == ":":
            tokens.popleft()
        take("mark", "'{'", "{")
        item: dict[str, str] = {}
        while tokens and tokens[0][1] != "}":
            field, field_line = take("word", "a field")
            if field not in _FIELDS:
                raise wrong(field_line, f"unknown field {field!r}: {', '.join(_FIELDS)} are known")
            if field in item:
                raise wrong(field_line, f"a second {field!r} in one item")
            take("mark", "':'", ":")
            item[field], _ = take(_FIELDS[field], f"a {_FIELDS[field]} for {field!r}")
        take("mark", "'}'", "}")
        for field in ("id", "name"):
            if field not in item:
                raise wrong(start, f"this item has no {field!r}")
        name = item["name"][1:-1]
        if not name:
            raise wrong(start, "the name is empty")
        if len(item["id"]) > 10 or (number := int(item["id"])) > LARGEST_ID:
            raise wrong(start, f"the id of {name!r} is above {LARGEST_ID}")
        if number < 1:
            raise wrong(start, f"id {number} of {name!r}: ids count from 1 (0 is the background)")
        if name in ids:
            raise wrong(start, f"the name {name!r} stands there twice")
        if number in numbers:
            raise wrong(start, f"the id {number} stands there twice")
        ids[name] = number
        numbers.add(number)
    if not ids:
        raise UserError(f"{shown(path)} holds no item {{ id: ... name: ... }}")
    return ids


def write_label_map(path: Path, ids: dict[str, int]) -> None:
    """Write the label map `path`, whole or not at all.

    Args:
        path: of the file.
        ids: 1, 2, ... by class name.

    Raises:
        UserError: a name cannot be written in a label map.
    """
    items = []
    for name, number in ids.items():
        check_name(name)
        quote = _quote(name)
        items.append(f"item {{\n  id: {number}\n  name: {quote}{name}{quote}\n}}\n")
    write_text(path, "".join(items))


def check_name(name: str) -> None:
    """Refuse a class name that cannot stand in a label map.

    Raises:
        UserError: so it is.
    """
    # The API's reader takes a backslash for the start of an escape.
    if not name or _quote(name) in name or "\\" in name or not is_text(name):
        raise UserError(
            f"the class name {name!r} cannot stand in a label map: rename it (no backslash, "
            "no control character, not both kinds of quotation mark)"
        )


def _quote(name: str) -> str:
    return '"' if "'" in name else "'"

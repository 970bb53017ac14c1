"""Edit a config as text, so that its comments and its order stay.

A config is protobuf text format: `key: value` and `block { ... }`. A key is named by its path
through the blocks, e.g. `train_input_reader.tf_record_input_reader.input_path`.
"""

from __future__ import annotations

import re

_NOT_CODE = re.compile(r"#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")
_VALUE = re.compile(r"\s*:\s*([^\s{}\[\],;#]+)")


def quoted(text: str) -> str:
    """`text` as a string of a config."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def set_value(text: str, key: str, value: str, note: str = "") -> str:
    """`text` with the value of `key` replaced; the rest stays as it is.

    Args:
        text: of the config.
        key: the path of a scalar that stands in the config, once.
        value: as it is to stand there.
        note: a comment to follow it; what else stands on the line moves to the next.

    Raises:
        KeyError: the key does not stand there, or not just once.
    """
    start, end = _find(text, key)
    after = text[end:]
    if note:
        rest, _, following = after.partition("\n")
        indent = " " * (start - text.rfind("\n", 0, start) - 1)
        rest = rest.strip()
        after = f"  # {note}\n" + (f"{indent}{rest}\n" if rest else "") + following
    return text[:start] + value + after


def get_value(text: str, key: str) -> str:
    """The value of `key` as it stands in the config.

    Raises:
        KeyError: the key does not stand there, or not just once.
    """
    start, end = _find(text, key)
    return text[start:end]


def _find(text: str, key: str) -> tuple[int, int]:
    """Where the value of `key` starts and ends."""
    # Comments give way to blanks and strings to letters, so that places stay what they are.
    code = _NOT_CODE.sub(lambda match: (" " if match[0][0] == "#" else "s") * len(match[0]), text)
    *blocks, last = key.split(".")
    start, end = 0, len(code)
    for block in blocks:
        start, end = _block(code, start, end, block, key)
    places = [match.end() for match in _words(code, start, end, last)]
    values = [match for place in places if (match := _VALUE.match(code, place, end))]
    if len(values) != 1:
        raise KeyError(f"{key}: {'not there' if not values else 'there more than once'}")
    return values[0].span(1)


def _block(code: str, start: int, end: int, name: str, key: str) -> tuple[int, int]:
    """The inside of the block `name` that stands directly in code[start:end]."""
    found = []
    for match in _words(code, start, end, name):
        opening = re.compile(r"\s*:?\s*\{").match(code, match.end(), end)
        if opening:
            depth, at = 1, opening.end()
            while depth and at < end:
                depth += {"{": 1, "}": -1}.get(code[at], 0)
                at += 1
            found.append((opening.end(), at - 1))
    if len(found) != 1:
        raise KeyError(f"{key}: {'no' if not found else 'more than one'} block {name}")
    return found[0]


def _words(code: str, start: int, end: int, word: str) -> list[re.Match[str]]:
    """Where `word` stands in code[start:end], outside any block within it."""
    found, depth = [], 0
    for match in re.compile(rf"[{{}}]|\b{re.escape(word)}\b").finditer(code, start, end):
        if match[0] in "{}":
            depth += 1 if match[0] == "{" else -1
        elif depth == 0:
            found.append(match)
    return found

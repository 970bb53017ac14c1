"""Rewrites of the API's source text, by rule and never by line number.

The API's files were written for Python 2, NumPy 1 and TensorFlow 1. Each `Rule` says what it
looks for, what it puts there and why. Only code is rewritten, never a string or a comment. Every
rule is idempotent: its result holds nothing that it would rewrite again, and `leftovers` proves
that for a whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One rewrite. `apply` maps a module's text to (new text, number of places changed)."""

    name: str
    why: str
    apply: Callable[[str], tuple[str, int]]


# Python's own tokenizer refuses old forms, and from 3.12 on more of them.
_QUOTED = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    | '''(?:\\.|[^\\])*?''' | \"\"\"(?:\\.|[^\\])*?\"\"\"
    | '(?:\\.|[^\\'\n])*' | "(?:\\.|[^\\"\n])*"
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING, _COMMENT = "\0", "\1"  # what stands for their characters
_OPENING, _CLOSING = "([{", ")]}"


@lru_cache(maxsize=2)
def _code(text: str) -> str:
    """`text` with its strings and comments blanked out, every offset staying what it is."""
    return _QUOTED.sub(
        lambda match: (_COMMENT if match["comment"] else _STRING) * len(match[0]), text
    )


def _regex(pattern: str, replacement: str) -> Callable[[str], tuple[str, int]]:
    """Replace what the pattern matches, unless that begins in a string or a comment."""
    compiled = re.compile(pattern, re.MULTILINE)

    def apply(text: str) -> tuple[str, int]:
        if not compiled.search(text):
            return text, 0
        code = _code(text)
        pieces: list[str] = []
        done = 0
        for match in compiled.finditer(text):
            if code[match.start()] not in (_STRING, _COMMENT):
                pieces += [text[done : match.start()], match.expand(replacement)]
                done = match.end()
        return "".join([*pieces, text[done:]]), len(pieces) // 2

    return apply


def _closing_bracket(code: str, opening: int) -> int:
    """Where the bracket at `opening` is closed; if it never is, the end of `code`."""
    depth = 0
    for at in range(opening, len(code)):
        depth += (code[at] in _OPENING) - (code[at] in _CLOSING)
        if depth == 0:
            return at
    return len(code) - 1


def _operand_start(code: str, end: int) -> int:
    """Where the operand that ends at `end` begins: a name with its dots, calls and indices."""
    at, depth = end, 0
    while at > 0:
        char = code[at - 1]
        if depth == 0 and not (char.isalnum() or char in "_." or char in _CLOSING):
            break
        depth += (char in _CLOSING) - (char in _OPENING)
        at -= 1
    return at


def _wrap_in_list(text: str, places: list[tuple[int, int]]) -> tuple[str, int]:
    """Put list(..) around each (start, end) of `text`."""
    inserts = [(start, 1, "list(") for start, _ in places] + [(end, 0, ")") for _, end in places]
    for at, _, piece in sorted(inserts, reverse=True):
        text = text[:at] + piece + text[at:]
    return text, len(places)


_PRINT_OR_BRACKET = re.compile(r"[()\[\]{}]|\bprint\b")
_STATEMENT_START = re.compile(r"(?:^|[\n;:])[ \t]*\Z")


def _print_statements(text: str) -> tuple[str, int]:
    """`print a, b` -> `print(a, b)`, wherever it stands and over however many lines."""
    if "print" not in text:
        return text, 0
    code = _code(text)
    if re.search(r"^from __future__ import .*\bprint_function\b", code, re.MULTILINE):
        return text, 0
    pieces: list[str] = []
    done = depth = 0
    for match in _PRINT_OR_BRACKET.finditer(code):
        if match[0] != "print":
            depth += 1 if match[0] in _OPENING else -1
            continue
        line_start = code.rfind("\n", 0, match.start()) + 1
        if depth == 0 and _STATEMENT_START.search(code[line_start : match.start()]):
            end = _statement_end(code, match.end())
            arguments = _print_arguments(text[match.end() : end], code[match.end() : end])
            if arguments is not None:
                pieces += [text[done : match.end()], f"({arguments})"]
                done = end
    return "".join([*pieces, text[done:]]), len(pieces) // 2


def _statement_end(code: str, at: int) -> int:
    """Where the statement around `at` ends, without the blanks and the comment behind it."""
    start, depth = at, 0
    while at < len(code):
        if depth == 0 and (code[at] == ";" or (code[at] == "\n" and code[at - 1] != "\\")):
            break
        depth += (code[at] in _OPENING) - (code[at] in _CLOSING)
        at += 1
    return start + len(code[start:at].rstrip(f" \t{_COMMENT}"))


def _print_arguments(text: str, code: str) -> str | None:
    """What to put between print's brackets; None if this is a call, or no print at all.

    Args:
        text: what stands behind the word.
        code: the same without strings and comments.
    """
    start = re.match(r"(?:[ \t]|\\\n)*", code).end()
    text, code = text[start:], code[start:]
    if code.startswith((*"=.,)]}:",)):
        return None
    if code.startswith("(") and _closing_bracket(code, 0) == len(code) - 1:
        return None
    options = []
    if code.startswith(">>"):
        comma = _first_comma(code)
        options.append(f"file={text[2:comma].strip()}")
        text, code = text[comma + 1 :].lstrip(), code[comma + 1 :].lstrip()
    if code.endswith(","):
        text = text[:-1].rstrip()
        options.insert(0, "end=' '")
    return ", ".join([text, *options] if text else options)


def _first_comma(code: str) -> int:
    """Where the first comma outside brackets stands; the length of `code` if there is none."""
    depth = 0
    for at, char in enumerate(code):
        if char == "," and depth == 0:
            return at
        depth += (char in _OPENING) - (char in _CLOSING)
    return len(code)


_ITERATOR = re.compile(r"(?<![\w.])(zip|map|filter|range)\(")
# Where it matters that Python 2 had a list: kept, returned, added, measured or turned round.
_KEEPER = re.compile(r"(?:(?<![=<>!])=|\breturn|\+|\blen\(|\breversed\()\s*\Z")


def _kept_iterators(text: str) -> tuple[str, int]:
    """`x = zip(a, b)` -> `x = list(zip(a, b))`, wherever it is not consumed on the spot."""
    if not _ITERATOR.search(text):
        return text, 0
    code = _code(text)
    places = []
    for match in _ITERATOR.finditer(code):
        start, end = match.start(), _closing_bracket(code, match.end() - 1) + 1
        keeper = _KEEPER.search(code[max(0, start - 80) : start])
        reversible = keeper and keeper[0].startswith("reversed") and match[1] == "range"
        if (keeper and not reversible) or re.match(r"\s*[\[+]", code[end : end + 80]):
            places.append((start, end))
    return _wrap_in_list(text, places)


# What takes an iterable as it is; `update` may be handed HParams.values(), which is a dict.
_CONSUMERS = re.compile(
    r"(?:\b(?:list|set|tuple|sorted|len|iter|zip|enumerate|any|all|sum|max|min|dict|frozenset"
    r"|update|izip|OrderedDict)\(|\bin)\s*$"
)
_VIEW = re.compile(r"\.(?:keys|values|items)\(\)")


def _dict_views(text: str) -> tuple[str, int]:
    """`x = d.values()` -> `x = list(d.values())`, wherever it is not consumed on the spot."""
    if not _VIEW.search(text):
        return text, 0
    code = _code(text)
    places = []
    for match in _VIEW.finditer(code):
        start = _operand_start(code, match.start())
        before = code[code.rfind("\n", 0, start) + 1 : start]
        indexed = code.startswith("[", match.end())
        # Strings have none of these methods, but may begin an operand that the walk cuts short.
        if code[start] != "." and (indexed or not _CONSUMERS.search(before)):
            places.append((start, match.end()))
    return _wrap_in_list(text, places)


RULES: tuple[Rule, ...] = (
    Rule(
        "tensorflow.compat.v1",
        "the API is TensorFlow 1 code; TensorFlow 2 keeps those names in compat.v1",
        _regex(r"^([ \t]*)import tensorflow as tf\b", r"\1import tensorflow.compat.v1 as tf"),
    ),
    Rule("print statement", "print is a function in Python 3", _print_statements),
    Rule(
        "dict.iter*",
        "dict.iteritems, itervalues and iterkeys are gone from Python 3",
        _regex(r"\.iter(items|values|keys)\(\)", r".\1()"),
    ),
    Rule(
        "xrange",
        "Python 3's range is Python 2's xrange",
        _regex(r"(?<![\w.])xrange\(", "range("),
    ),
    Rule(
        "itertools.izip",
        "Python 3's zip is Python 2's izip; the API's own tests use it",
        _regex(r"\bitertools\.izip\(", "zip("),
    ),
    Rule(
        "mock",
        "Python 3 has it as unittest.mock; the API's own tests use it",
        _regex(r"^([ \t]*)import mock\b", r"\1from unittest import mock"),
    ),
    Rule(
        "unicode",
        "str is Unicode in Python 3; unicode and basestring are gone",
        _regex(r"(?<![\w.])(?:unicode|basestring)\b(?!\s*=(?!=))", "str"),
    ),
    Rule(
        "kept iterator",
        "zip, map, filter and range made lists in Python 2: to be kept, added, measured, indexed",
        _kept_iterators,
    ),
    Rule(
        "kept dict view",
        "a view cannot be pickled, added, indexed or handed to Session.run as a list can",
        _dict_views,
    ),
    Rule(
        "mask scale",
        "Python 2 divided whole numbers into a whole number, and upsampling takes no other",
        _regex(r"(\bself\._mask_(?:height|width)) /(?!/)", r"\1 //"),
    ),
    Rule(
        "inspect.getargspec",
        "gone from Python 3.11",
        _regex(r"\binspect\.getargspec\(", "inspect.getfullargspec("),
    ),
    Rule(
        "NumPy aliases",
        "np.int, np.float, np.bool, np.object and np.str named Python's own types",
        _regex(r"\bnp\.(int|float|bool|object|str)\b", r"\1"),
    ),
    Rule(
        "is with a literal",
        "compares identities, not values; Python 3.8 warns of it",
        _regex(r"\bis (?=[ubrUBR]*['\"]|\d)", "== "),
    ),
    Rule(
        "is not with a literal",
        "compares identities, not values; Python 3.8 warns of it",
        _regex(r"\bis not (?=[ubrUBR]*['\"]|\d)", "!= "),
    ),
    Rule("np.string_", "gone from NumPy 2", _regex(r"\bnp\.string_\b", "np.bytes_")),
    Rule("np.NAN", "gone from NumPy 2", _regex(r"\bnp\.(?:NAN|NaN)\b", "np.nan")),
    Rule("np.Inf", "gone from NumPy 2", _regex(r"\bnp\.(?:Inf|PINF)\b", "np.inf")),
    Rule(
        "canvas.tostring_rgb",
        "gone from matplotlib 3.10; what is left is the RGBA buffer",
        _regex(
            r"\bfig\.canvas\.tostring_rgb\(\)",
            "np.asarray(fig.canvas.buffer_rgba())[..., :3].tobytes()",
        ),
    ),
    Rule(
        "np.fromstring",
        "its binary mode is gone from NumPy 2.3",
        _regex(r"\bnp\.fromstring\(", "np.frombuffer("),
    ),
    Rule(
        "add_subplot",
        "matplotlib 3.11 takes the position as a number only",
        _regex(r"\badd_subplot\(['\"](\d{3})['\"]\)", r"add_subplot(\1)"),
    ),
    Rule(
        "font.getsize",
        "gone from Pillow 10; the box from the origin has the same size",
        _regex(r"\bfont\.getsize\(([^()]*)\)", r"font.getbbox(\1)[2:]"),
    ),
    Rule(
        "Image.ANTIALIAS",
        "gone from Pillow 10: it was LANCZOS",
        _regex(r"\bImage\.ANTIALIAS\b", "Image.LANCZOS"),
    ),
)


@dataclass(frozen=True)
class Hits:
    """What a rule did to a tree: how many places, in which files (relative paths, sorted)."""

    rule: str
    why: str
    files: tuple[str, ...]
    places: int


def rewrite(tree: Path) -> list[Hits]:
    """Apply every rule to every Python file below `tree`, in place."""
    modules = sorted(tree.rglob("*.py"))
    places: dict[str, int] = {rule.name: 0 for rule in RULES}
    files: dict[str, list[str]] = {rule.name: [] for rule in RULES}
    for module in modules:
        original = text = module.read_text(encoding="utf-8")
        for rule in RULES:
            text, hits = rule.apply(text)
            if hits:
                places[rule.name] += hits
                files[rule.name].append(module.relative_to(tree).as_posix())
        if text != original:
            module.write_text(text, encoding="utf-8")
    return [Hits(r.name, r.why, tuple(files[r.name]), places[r.name]) for r in RULES]


def leftovers(tree: Path) -> list[str]:
    """Where an old form is left below `tree`, as "file: rule"; an empty list is the aim."""
    found = []
    for module in sorted(tree.rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        name = module.relative_to(tree).as_posix()
        found += [f"{name}: {rule.name}" for rule in RULES if rule.apply(text)[1]]
    return found

"""Rewrites of the API's source text, by rule and never by line number.

The API's files were written for Python 2, NumPy 1 and TensorFlow 1. Each `Rule` says what it
looks for, what it puts there and why. Every rule is idempotent: its result holds nothing that
it would rewrite again, and `leftovers` proves that for a whole tree.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One rewrite. `apply` maps a module's text to (new text, number of places changed)."""

    name: str
    why: str
    apply: Callable[[str], tuple[str, int]]


def _regex(pattern: str, replacement: str) -> Callable[[str], tuple[str, int]]:
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda text: compiled.subn(replacement, text)


def _print_statements(text: str) -> tuple[str, int]:
    """`print a, b` -> `print(a, b)`, also where the statement runs over several lines."""
    if not re.search(r"^\s*print\b(?!\s*[(=.,)])", text, re.MULTILINE):
        return text, 0
    lines = text.splitlines(keepends=True)
    inserts: list[tuple[int, int, str]] = []  # line (0-based), column, text
    start: tuple[int, int] | None = None
    end = (0, 0)
    at_statement_start = True
    first_argument = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if start is not None:
            ends = token.type in (tokenize.NEWLINE, tokenize.ENDMARKER) or token.string == ";"
            if ends or token.type == tokenize.COMMENT:
                # print (a) is a call already, in both languages.
                if first_argument != "(":
                    inserts.append((start[0] - 1, start[1], "("))
                    inserts.append((end[0] - 1, end[1], ")"))
                start = None
            else:
                first_argument = first_argument or token.string
                end = token.end
        elif at_statement_start and token.type == tokenize.NAME and token.string == "print":
            start, end, first_argument = token.end, token.end, ""
        at_statement_start = (
            token.type
            in (
                tokenize.NEWLINE,
                tokenize.NL,
                tokenize.INDENT,
                tokenize.DEDENT,
                tokenize.COMMENT,
            )
            or token.string in ";:"
        )
    for row, column, piece in sorted(inserts, reverse=True):
        line = lines[row]
        rest = line[column:].lstrip(" ") if piece == "(" else line[column:]
        lines[row] = line[:column] + piece + rest
    return "".join(lines), len(inserts) // 2


def _reversed_zip(text: str) -> tuple[str, int]:
    """`reversed(zip(..))` -> `reversed(list(zip(..)))`."""
    hits = 0
    opening = "reversed(zip("
    while (at := text.find(opening)) >= 0:
        close = _closing_bracket(text, at + len(opening) - 1)
        inner = text[at + len("reversed(") : close + 1]
        text = f"{text[:at]}reversed(list({inner}){text[close + 1 :]}"
        hits += 1
    return text, hits


def _closing_bracket(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError("a bracket is never closed")


def _is_literal(text: str) -> tuple[str, int]:
    """`x is not 'a'` -> `x != 'a'`, and `x is 'a'` -> `x == 'a'`."""
    text, negated = re.subn(r"\bis not (?=['\"])", "!= ", text)
    text, plain = re.subn(r"(?<=[\w\])]) is (?=['\"]\w*['\"](?:\s|[\]):,]))", " == ", text)
    return text, negated + plain


# What takes an iterable as it is; `update` may be handed HParams.values(), which is a dict.
_CONSUMERS = re.compile(
    r"(?:\b(?:list|set|tuple|sorted|len|iter|zip|enumerate|any|all|sum|max|min|dict|frozenset"
    r"|update|izip|OrderedDict)\(|\bin)\s*$"
)
_VIEW = re.compile(r"(?<![\w.)\]'\"])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\.(keys|values|items)\(\)")


def _dict_views(text: str) -> tuple[str, int]:
    """`x = d.values()` -> `x = list(d.values())`, wherever it is not consumed on the spot."""
    hits = 0

    def wrap(match: re.Match[str]) -> str:
        nonlocal hits
        line_start = text.rfind("\n", 0, match.start()) + 1
        before = text[line_start : match.start()]
        if match[1] == "six" or _CONSUMERS.search(before) or "#" in before:
            return match[0]
        hits += 1
        return f"list({match[0]})"

    return _VIEW.sub(wrap, text), hits


RULES: tuple[Rule, ...] = (
    Rule(
        "tensorflow.compat.v1",
        "the API is TensorFlow 1 code; TensorFlow 2 keeps those names in compat.v1",
        _regex(r"^(\s*)import tensorflow as tf\b", r"\1import tensorflow.compat.v1 as tf"),
    ),
    Rule("print statement", "print is a function in Python 3", _print_statements),
    Rule(
        "dict.iter*",
        "dict.iteritems, itervalues and iterkeys are gone from Python 3",
        _regex(r"(?<!six)\.iter(items|values|keys)\(\)", r".\1()"),
    ),
    Rule("xrange", "Python 3's range is Python 2's xrange", _regex(r"\bxrange\(", "range(")),
    Rule(
        "unicode",
        "str is Unicode in Python 3; unicode and basestring are gone",
        _regex(r"(?<![\w.'\"])(?:unicode|basestring)(?=\(|\)\s*[:)]|\)$)", "str"),
    ),
    Rule(
        "indexed dict view",
        "keys(), values() and items() are no lists in Python 3",
        _regex(r"((?:\b\w+\.)*\b\w+)\.(keys|values|items)\(\)\[", r"list(\1.\2())["),
    ),
    Rule("reversed(zip)", "zip is an iterator in Python 3", _reversed_zip),
    Rule(
        "kept dict view",
        "a view cannot be pickled, added, indexed or handed to Session.run as a list can",
        _dict_views,
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
        _is_literal,
    ),
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
    return [
        f"{module.relative_to(tree).as_posix()}: {rule.name}"
        for module in sorted(tree.rglob("*.py"))
        for rule in RULES
        if rule.apply(module.read_text(encoding="utf-8"))[1]
    ]

#!/usr/bin/env python3
"""Coverage-guided fuzzing with atheris, on request; CI does not run it.

    .venv/bin/python -m pip install atheris==3.0.0
    tests/reliability/fuzz.py "KITTI labels" -max_total_time=600
    tests/reliability/fuzz.py all -max_total_time=60        every parser, one after another

The options behind the parser's name are libFuzzer's. Without a name: the list of parsers.
The parsers need what ./test.sh installs. atheris has wheels for CPython 3.11 to 3.13.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
from hand_detection import venv  # noqa: E402

FOLDER = "FUZZ_FOLDER"  # tells the process that fuzzes where to work


def main() -> None:
    """Fuzz until libFuzzer ends or something other than a `UserError` comes out."""
    if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return
    if FOLDER in os.environ:
        _fuzz(Path(os.environ[FOLDER]))
        return
    from parsers import PARSERS

    name, *options = sys.argv[1:] or [""]
    if name not in (*PARSERS, "all"):
        print("\n".join([f"no parser {name!r}; name one of, or all:", *PARSERS]), file=sys.stderr)
        sys.exit(2)
    if find_spec("atheris") is None:
        sys.exit("error: atheris is missing: .venv/bin/python -m pip install atheris==3.0.0")
    ends = [_apart(one, options) for one in (PARSERS if name == "all" else [name])]
    sys.exit(any(ends))


def _apart(name: str, options: list[str]) -> int:
    """Fuzz in a process of its own, since libFuzzer ends the one it is in, and clear up."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"== {name}", flush=True)
        command = [sys.executable, __file__, name, *options]
        return subprocess.call(command, env={**os.environ, FOLDER: folder})


def _fuzz(folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["hand_detection"]):
        from judge import judge
        from parsers import PARSERS
    parser = PARSERS[sys.argv.pop(1)]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(parser.seeds):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], lambda data: judge(parser, data, folder / "sandbox"))
    atheris.Fuzz()


if __name__ == "__main__":
    venv.enter()
    main()

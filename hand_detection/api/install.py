"""Installs the API: source -> port -> protos -> check, into build/models. Step 1's second half.

    python -m hand_detection.api.install [--source auto|submodule|registry]

The submodule `models` stays as it was fetched, so that `git status` stays clean and the port can
be made anew from it at any time. What runs is a ported copy in build/models, in the same layout
(research/object_detection, research/slim), with a record of how it was made in PORT.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import py_compile
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from hand_detection import console, files, run
from hand_detection.api import protos, rules, source
from hand_detection.console import UserError, say
from hand_detection.paths import API, BUILD, shown

RECORD = "PORT.json"

# Places that each rule rewrites in the registry's tree, which is the same bytes for ever.
# The pinned tree is another one; there, `leftovers` and the check alone decide.
REGISTRY_HITS = {
    "tensorflow.compat.v1": 338,
    "dict.iter*": 11,
    "xrange": 14,
    "itertools.izip": 8,
    "mock": 5,
    "kept iterator": 7,
    "kept dict view": 95,
    "mask scale": 4,
    "inspect.getargspec": 3,
    "NumPy aliases": 35,
    "is not with a literal": 1,
    "np.string_": 2,
    "np.NAN": 1,
    "canvas.tostring_rgb": 2,
    "np.fromstring": 2,
    "add_subplot": 2,
    "font.getsize": 2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source",
        choices=("auto", "submodule", "registry"),
        default="auto",
        help="where the API comes from: the pinned git submodule, PyPI's copy of it, or the "
        "first of the two that answers (default: %(default)s)",
    )
    choice = parser.parse_args().source
    with files.sole_writer(BUILD):
        install(choice)


def install(choice: str) -> None:
    """Bring the API into build/models, unless it is there already as it would become.

    Raises:
        UserError: the source cannot be had, or the ported tree does not pass its check.
    """
    started = time.monotonic()
    inputs = _inputs()
    files.mend_folder(API)
    present = _present()
    if present and present["inputs"] == inputs and choice in ("auto", present["source"]["kind"]):
        say(f"API: ported already from {_origin(present)} ({shown(API)})")
        return

    with files.whole_folder(API, replace=True) as partial:
        research = partial / "research"
        research.mkdir()
        origin = source.bring(choice, research, BUILD / "downloads")
        hits = rules.rewrite(research)
        _check_rules(research, origin, hits)
        count, generated_from = protos.compile_protos(research)
        say(f"protos: {count} modules generated from the .{generated_from}s")
        _compile(partial, origin)
        _run_check(research)
        files.write_json(
            partial / RECORD,
            {
                "source": dataclasses.asdict(origin),
                "inputs": inputs,
                "protos": {"modules": count, "from": generated_from},
                "rules": [dataclasses.asdict(hit) for hit in hits],
            },
        )
    seconds = time.monotonic() - started
    say(f"API: ported from {_origin(_present())} into {shown(API)} in {seconds:.0f} s")


def _inputs() -> dict[str, str]:
    """What decides the ported tree besides its source; if it changes, the port is made anew."""
    modules = (protos, rules, source)
    digest = hashlib.sha256(b"".join(Path(m.__file__).read_bytes() for m in modules)).hexdigest()
    return {
        "port": digest,
        "python": ".".join(map(str, sys.version_info[:2])),
        "commit": source.pinned_commit() or "",
        **{name: version(name) for name in ("grpcio-tools", "protobuf", "tf-slim")},
    }


def _present() -> dict | None:
    record = API / RECORD
    return files.read_json(record, "inputs", "source") if record.exists() else None


def _origin(record: dict) -> str:
    kind, version_ = record["source"]["kind"], record["source"]["version"]
    return f"the submodule at {version_[:12]}" if kind == "submodule" else f"PyPI ({version_[:70]})"


def _check_rules(research: Path, origin: source.Source, hits: list[rules.Hits]) -> None:
    for hit in hits:
        if hit.places:
            say(f"  {hit.places:4d} x {hit.rule} in {len(hit.files)} files: {hit.why}")
    if left := rules.leftovers(research):
        raise UserError(f"old forms are left after the port: {'; '.join(left[:5])}")
    found = {hit.rule: hit.places for hit in hits if hit.places}
    if origin.kind == "registry" and found != REGISTRY_HITS:
        changed = sorted(set(found.items()) ^ set(REGISTRY_HITS.items()))
        raise UserError(f"the rules hit otherwise than recorded for this tree: {changed}")


def _compile(partial: Path, origin: source.Source) -> None:
    """Write every module's byte code, and refuse a tree with an old form that no rule knows.

    Raises:
        UserError: a module does not compile.
    """
    for module in sorted(partial.rglob("*.py")):
        name = module.relative_to(partial).as_posix()
        try:
            # Tracebacks are to name the files where they will stand.
            py_compile.compile(str(module), dfile=str(API / name), doraise=True)
        except py_compile.PyCompileError as error:
            cause = error.exc_value
            if isinstance(cause, SyntaxError):
                name, cause = f"{name}:{cause.lineno}", cause.msg
            mend = "; PyPI's copy is known: --source registry" if origin.kind != "registry" else ""
            raise UserError(f"{name} does not compile after the port: {cause}{mend}") from None


def _run_check(research: Path) -> None:
    result = subprocess.run(run.command("api.check", str(research)), check=False)
    if result.returncode != 0:
        raise UserError("the ported API does not pass its check; the reason stands above")


if __name__ == "__main__":
    console.run(main)

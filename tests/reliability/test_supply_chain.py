"""What is brought in: pinned by hash, listed with its licence, nothing run unseen."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

sys.path.insert(0, str(ROOT / "tools"))
import licences

PLATFORMS = [
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.9",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    for minor in (10, 11, 12, 13)
    for machine in ("x86_64", "aarch64")
]
LOCKS = {
    "tools/requirements.lock": "requirements.txt",
    "tools/requirements-deploy.lock": "tools/requirements-deploy.txt",
    "tests/requirements.lock": "tests/requirements.txt",
    "tools/requirements-gpu.lock": None,
}


def entries(name: str) -> list[tuple[Requirement, int]]:
    """The requirements in a file, each with the number of its hashes."""
    text = re.sub(r"#.*", "", (ROOT / name).read_text(encoding="utf-8")).replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines() if line.strip()]
    return [(Requirement(first.strip()), len(hashes)) for first, *hashes in lines]


def chosen(name: str, platform: dict[str, str]) -> dict[str, str]:
    """The versions that a file asks for on a platform."""
    return {
        requirement.name: str(requirement.specifier)
        for requirement, _ in entries(name)
        if requirement.marker is None or requirement.marker.evaluate(platform)
    }


@pytest.mark.parametrize(("lock", "source"), LOCKS.items())
def test_the_lock_has_a_hash_for_every_package(lock, source):
    assert all(hashes for _, hashes in entries(lock)), f"run tools/lock.sh again: {lock}"


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: "-".join(list(p.values())[1:3]))
def test_lock_and_requirements_agree_on_every_platform(platform):
    for lock, source in LOCKS.items():
        if source:
            assert chosen(lock, platform) == chosen(source, platform), "run tools/lock.sh again"
    listed = chosen("requirements.txt", platform)
    listed["tensorflow"] = listed.pop("tensorflow-cpu", None) or listed["tensorflow"]
    gpu = chosen("tools/requirements-gpu.lock", platform)
    assert listed.items() <= gpu.items(), "run tools/lock.sh again"


def test_install_and_test_take_locked_files_alone():
    text = (ROOT / "tools/venv.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    [command] = re.findall(r"-m pip install.*", text)
    assert "--require-hashes" in command
    assert "--only-binary :all:" in command
    for script in ("install.sh", "test.sh"):
        assert "pip install" not in (ROOT / script).read_text(encoding="utf-8")


def test_every_package_is_listed_with_its_licence():
    page = (ROOT / "doc" / "licences.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", page, re.MULTILINE)
    names = {name for name, licence in listed if licence.strip()}
    for source in ("requirements.txt", "tests/requirements.txt"):
        assert set(licences.packages(ROOT / source)) <= names, "run tools/licences.py again"


def tracked(*patterns: str) -> list:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split()]


FORBIDDEN = {
    r"(curl|wget)\b[^\n]*\|\s*(ba)?sh\b": "a script run as it comes from the net",
    r"--no-check-certificate|verify\s*=\s*False|--trusted-host|curl [^\n]*(-k|--insecure)\b": (
        "certificates not checked"
    ),
    r"0\.0\.0\.0|--bind_all": "a server open to the network",
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_script_or_module_does_what_is_never_to_be_done(pattern):
    own = {ROOT / "tests/reliability" / "test_supply_chain.py"}
    for path in set(tracked("*.py", "*.sh", ".ci/run")) - own:
        found = re.search(pattern, path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {FORBIDDEN[pattern]}: {found[0]}"


def test_nothing_is_unpickled_or_run_as_code():
    for path in tracked("*.py", ":!tests", ":!benchmarks"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")}
            assert not names & {"pickle", "marshal", "shelve", "dill", "cPickle"}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "os.system", "yaml.load"), (path, called)
                options = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert options.get("shell") != "True", path
                assert options.get("allow_pickle") != "True", path

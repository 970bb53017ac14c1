# Makes .venv in the working directory. Sourced by install.sh and tests/setup.sh, which define `fail`.
# shellcheck shell=bash

# One of the two lies in every .venv of ours: what was installed whole, or that it was not yet.
venv_stamp=.venv/installed.txt
venv_unfinished=.venv/unfinished

be_sole_installer() { # fails where nothing can be written, or another one is at work, until this ends
  [[ -w . ]] || fail "nothing can be written in $PWD: a read-only disk, or somebody else's folder"
  exec 9>.install.lock
  flock -w 5 9 || fail "another ./install.sh is running in this folder: wait for it to end"
}

supported() { # PYTHON -> whether it is one that the tutorial supports
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

choose_python() { # [PYTHON] -> prints the one to use
  local candidate
  for candidate in ${1:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if supported "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  candidate=${1:-python3}
  local found
  found=$("$candidate" --version 2>&1) || found="none that runs"
  fail "Python 3.10 to 3.13 is needed; $candidate is: ${found##*$'\n'}. Name one with --python"
}

wanted() { # GPU -> the packages of this .venv, all of them, with the SHA-256 of their files
  cat "tools/requirements${1:+-gpu}.lock"
}

make_venv() { # PYTHON GPU
  local python
  if [[ -f $venv_stamp ]] && diff -q <(wanted "$2") "$venv_stamp" >/dev/null &&
    { [[ ! $1 ]] || [[ $("$1" --version 2>&1) == "$(.venv/bin/python --version)" ]]; }; then
    echo ".venv: installed already ($(.venv/bin/python --version))"
    return
  fi
  python=$(choose_python "$1")
  if [[ -e .venv && ! -f $venv_stamp && ! -f $venv_unfinished ]]; then
    fail ".venv was not made by this script: move it away first"
  fi
  # Anew, since a pip that was killed leaves packages that look installed and are not.
  mkdir -p .venv
  touch "$venv_unfinished"
  find .venv -mindepth 1 -maxdepth 1 ! -path "$venv_unfinished" -exec rm -rf {} +
  echo ".venv: $("$python" --version), $(wanted "$2" | grep -c '==') packages ..."
  "$python" -m venv .venv || fail "$python cannot make .venv: on Debian, apt install python3-venv"
  wanted "$2" >.venv/requirements.txt
  venv_pip --requirement .venv/requirements.txt
  mv .venv/requirements.txt "$venv_stamp"
  rm "$venv_unfinished"
}

add_requirements() { # LOCK -> installs what it lists into .venv, unless that was done before
  local stamp=.venv/${1//\//-}
  cmp -s "$1" "$stamp" && return
  venv_pip --requirement "$1"
  cp "$1" "$stamp"
}

venv_pip() { # ARGUMENTS of pip install. Only files that are listed, and no package's own set-up code
  .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
    --require-hashes --no-deps --only-binary :all: "$@" ||
    fail "pip could not install everything; its reason stands above. Run ./install.sh again"
}

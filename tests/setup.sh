# Installs what the tests need into .venv. Sourced from the root by test.sh and reliability/run.sh.
# shellcheck shell=bash
./install.sh --deploy
fail() { echo "error: $1" >&2; exit 1; }
# shellcheck source=tools/venv.sh
source tools/venv.sh
add_requirements tests/requirements.lock

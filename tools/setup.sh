#!/bin/sh
# tools/setup.sh PYTHON ENVIRONMENT CONSTRAINTS PIP-ARGUMENTS...
# Makes a virtual environment and installs into it; says in one line what is missing. Marks a finished one with .ready.
set -eu
python=$1 environment=$2 constraints=$3
shift 3

fail() { echo "prefork: $1" >&2; exit 1; }
command -v "$python" >/dev/null 2>&1 || fail "python3 is missing: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || fail "$("$python" -V) is too old, Prefork needs 3.11 or newer: make PYTHON=/path/to/python3.11"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "venv is missing: apt-get install python3-venv"

rm -f "$environment/.ready"
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment" || fail "cannot make $environment with $python"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" "$@" \
    || fail "the packages of $environment could not be installed: is a package index reachable? (a compiler: apt-get install gcc python3-dev)"
touch "$environment/.ready"

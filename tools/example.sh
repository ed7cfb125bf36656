#!/bin/sh
# tools/example.sh PYTHON NAME [ODOO]
# Makes the environment of an example, prepares what it keeps where there is something to prepare, and serves it.
# Odoo is not ours to install: its tree and its interpreter are named instead.
set -eu
python=$1 name=$2 odoo=${3-}
place=examples/$name

fail() {
    echo "prefork: $1" >&2
    exit 1
}

if [ "$name" = odoo ]; then
    [ -n "$odoo" ] || fail "say where Odoo is: make example NAME=odoo ODOO=/its/tree PYTHON=/its/interpreter"
    exec .venv/bin/prefork serve -c "$place/odoo.conf" --odoo "$odoo" --python "$(command -v "$python" || echo "$python")"
fi
[ -n "$name" ] && [ -f "$place/requirements.txt" ] ||
    fail "name an example: make example NAME=django, fastapi, flask, odoo, pyramid or tryton"
if [ -z "$(find "$place/.venv/.ready" -newer "$place/requirements.txt" 2>/dev/null)" ]; then
    sh tools/setup.sh "$python" "$place/.venv" "$place/requirements.txt" -r "$place/requirements.txt"
fi
if [ -f "$place/environment" ]; then
    set -a
    . "$place/environment"
    set +a
fi
[ ! -f "$place/prepare.sh" ] || sh "$place/prepare.sh"
exec .venv/bin/prefork serve -c "$place/prefork.conf"

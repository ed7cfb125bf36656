#!/bin/sh
# tools/example.sh PYTHON NAME
# Makes the environment of an example, prepares what it keeps where there is something to prepare, and serves it.
set -eu
python=$1 place=examples/$2

[ -n "$2" ] && [ -f "$place/requirements.txt" ] || {
    echo "prefork: name an example: make example NAME=django, fastapi, flask, pyramid or tryton; for Odoo see examples/odoo/README.md" >&2
    exit 1
}
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

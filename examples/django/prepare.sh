#!/bin/sh
# The database and the static files. In a project of your own Prefork is installed; here it is the one beside.
set -eu
cd "$(dirname "$0")"
export PYTHONPATH=../../src
.venv/bin/python manage.py migrate --verbosity 0
.venv/bin/python manage.py collectstatic --no-input --verbosity 0

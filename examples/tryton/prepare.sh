#!/bin/sh
# The database, with the module of parties. Its administrator is `admin`, with the password `admin`.
set -eu
cd "$(dirname "$0")"
[ ! -f data/example.sqlite ] || exit 0
mkdir -p data
touch data/example.sqlite
echo admin > data/password
TRYTONPASSFILE=data/password .venv/bin/trytond-admin \
    -d example -u party --activate-dependencies -l en --email admin@example.com || { rm data/example.sqlite; exit 1; }
rm data/password

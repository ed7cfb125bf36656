#!/bin/sh
# tools/web.sh
# Fetches what the console's pages are made of beside our own, and puts the few files that browsers get where the wheel takes them from.
set -eu
cd "$(dirname "$0")/../web"
vendor=../src/prefork/console/static/vendor

command -v npm >/dev/null 2>&1 \
    || { echo "prefork: npm is missing, so the console has no pages; everything else works: apt-get install npm" >&2; exit 0; }
npm ci --ignore-scripts --no-audit --no-fund --silent \
    || { echo "prefork: the console's pages could not be built: is a package registry reachable? Everything else works" >&2; exit 0; }

rm -rf "$vendor.new"
mkdir -p "$vendor.new"
take() { cp "node_modules/$1" "$vendor.new/$2"; }
take @picocss/pico/css/pico.classless.min.css pico.css
take @picocss/pico/LICENSE.md pico.LICENSE
take htmx.org/dist/htmx.min.js htmx.js
take htmx.org/LICENSE htmx.LICENSE
take uplot/dist/uPlot.iife.min.js uplot.js
take uplot/dist/uPlot.min.css uplot.css
take uplot/LICENSE uplot.LICENSE
rm -rf "$vendor"
mv "$vendor.new" "$vendor"

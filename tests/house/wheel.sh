#!/usr/bin/env bash
# Builds the wheel, installs it into a clean environment and trains from a folder that is not the checkout, so that the checkout
# can't mask a packaging fault.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" wheel -q --no-deps -w "$work/dist" "$root"
"$work/venv/bin/pip" install -q -c "$root/constraints.txt" "$work"/dist/kvision-*.whl

mkdir "$work/elsewhere"
cd "$work/elsewhere"
"$work/venv/bin/kvision" list
"$work/venv/bin/kvision" train unet --smoke --run-dir run
test -s run/report.html
test -s run/metrics.csv
"$work/venv/bin/kvision" export run --to tflite-fp32 --out bundle
test -s bundle/manifest.json
"$work/venv/bin/kvision-edge" verify bundle
echo "the wheel works from $PWD"

#!/usr/bin/env bash
# Builds the wheel twice, installs it into a clean environment and does from a folder that is not the checkout what users do, so that the
# checkout can't mask a packaging fault.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1767225600  # any; without it, the build backend takes one of its own

# A copy elsewhere, with other times of its files and another umask, must give the same bytes.
mkdir "$work/copy"
(cd "$root" && git ls-files -z | while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done | tar --null -T - -c) | (umask 077 && tar -x -m -C "$work/copy")
python3 -m venv "$work/venv"
"$work/venv/bin/pip" wheel -q --no-deps -w "$work/dist" "$root"
"$work/venv/bin/pip" wheel -q --no-deps -w "$work/again" "$work/copy"
cmp "$work"/dist/kvision-*.whl "$work"/again/kvision-*.whl
echo "two builds: $(sha256sum "$work"/dist/kvision-*.whl | cut -c1-16), the same"

# It holds what is under version control, all of it and nothing else.
(cd "$root" && for file in $(git ls-files kvision recipes export/kvision_export edge/kvision_edge); do [ -e "$file" ] && echo "$file"; done) |
  sed -e 's#^recipes/#kvision/_recipes/#' -e 's#^export/##' -e 's#^edge/##' | sort > "$work/wanted"
python3 -m zipfile -l "$work"/dist/kvision-*.whl | tail -n +2 | awk '{print $1}' | grep -v '^kvision-[^/]*\.dist-info/' | sort > "$work/found"
diff "$work/wanted" "$work/found"

"$work/venv/bin/pip" install -q -c "$root/constraints.txt" "$work"/dist/kvision-*.whl
mkdir "$work/elsewhere"
cd "$work/elsewhere"
bin=$work/venv/bin
test "$("$bin/kvision" --version)" = "kvision $(basename "$work"/dist/kvision-*.whl | cut -d- -f2)"
"$bin/kvision" list
"$bin/kvision" train unet --smoke --run-dir run
test -s run/report.html
test -s run/metrics.csv
"$bin/kvision" eval run > /dev/null
"$bin/python" -c "from PIL import Image; Image.new('RGB', (40, 30), 'white').save('picture.png')"
"$bin/kvision" predict run picture.png --out predictions
test -s predictions/predictions.json
"$bin/kvision" export run --to tflite-fp32 --out bundle
test -s bundle/manifest.json
"$bin/kvision-edge" verify bundle
"$bin/kvision" new mine.yaml
"$bin/kvision" show mine.yaml > /dev/null
"$bin/kvision" zoo --out zoo.html
grep -q 'rl/value_iteration' zoo.html
echo "the wheel works from $PWD"

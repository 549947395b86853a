#!/usr/bin/env bash
# Run the module's self tests in the Slicer at $SLICER, off screen.
#   self-test.sh [--no-main-window] [--generic]
# --generic runs what Slicer asks of any module in place of the module's own tests.
# Slicer ends with status 1 if a test failed; it does not notice an exception in a VTK observer, so the output is read too.
set -euo pipefail

module_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../LumbarBiplanar" && pwd)"
options=()
test_folder="$module_folder"
test_name="LumbarBiplanar"
for argument in "$@"; do
  case "$argument" in
    --no-main-window) options+=(--no-main-window) ;;
    --generic)
      test_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../Testing/slicer" && pwd)"
      test_name="generic_module_test"
      ;;
    *)
      echo "unknown argument $argument" >&2
      exit 2
      ;;
  esac
done

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
code="import slicer.testing; slicer.testing.runUnitTest(['$module_folder', '$test_folder'], '$test_name')"
xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" "$SLICER/Slicer" --testing --no-splash \
  "${options[@]}" --additional-module-paths "$module_folder" --python-code "$code" 2>&1 | tee "$log"
if grep -q "^Traceback (most recent call last)" "$log"; then
  echo "An exception was printed, see above." >&2
  exit 1
fi

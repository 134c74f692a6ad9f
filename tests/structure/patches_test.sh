#!/usr/bin/env bash
# Each patch of tests/mutation and each recipe of docs/recipes fits the source, says in its first line what is wrong, or what
# it adds, and, but for those that scripts/plant-bugs plants without --long, which tests show it.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

wrong=0
tell() {
  echo "$1: $2" >&2
  wrong=1
}

for patch in tests/mutation/*.patch tests/mutation/long/*.patch docs/recipes/*.patch; do
  [[ $(head -n 1 "$patch") =~ \.$ ]] || tell "$patch" "the first line is no sentence."
  [[ $patch == tests/mutation/*.patch && $patch != */long/* ]] || sed '/^diff /q' "$patch" | grep -qE '^Tests: .' || tell "$patch" "names no tests."
  patch --dry-run --strip 1 --forward --reject-file - <"$patch" >/dev/null || tell "$patch" "no longer fits the source."
done
exit "$wrong"

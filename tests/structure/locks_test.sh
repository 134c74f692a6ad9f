#!/usr/bin/env bash
# scripts/check-locks finds a lock that is missing: each case below takes one away, or a word about one, from what the
# compiler is given in place of a file. usage: locks_test.sh BUILD_DIR
set -euo pipefail
command -v clang++-14 >/dev/null || { echo 'SKIPPED: there is no clang++-14.'; exit 77; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

wrong=0
tell() {
  echo "$*" >&2
  wrong=1
}

# Clang reads the changed copy under the file's own name.
planted() { # file sed-expression source
  sed -E "$2" "$1" >"$folder/changed"
  ! cmp -s "$1" "$folder/changed" || tell "$1: '$2' changes nothing."
  cat >"$folder/overlay.yaml" <<YAML
{"version": 0, "use-external-names": false,
 "roots": [{"type": "file", "name": "$PWD/$1", "external-contents": "$folder/changed"}]}
YAML
  scripts/check-locks --build "$build" "$3" -- -ivfsoverlay "$folder/overlay.yaml" >"$folder/words" 2>&1
}

finds() { # words file sed-expression [source that is compiled]
  if planted "$2" "$3" "${4-$2}"; then
    tell "$2: '$3' is not found."
  elif ! grep -qE "^[^ ]*${4-$2}:[0-9]+:.*error: .*$1" "$folder/words"; then
    tell "$2: '$3' is found for another reason:"
    cat "$folder/words" >&2
  fi
}

build=$1
recorder=device-sdk/src/recorder.cpp
finds "variable 'accepting_' requires holding mutex 'mutex_'" $recorder '/^void Recorder::open/,/^}/ s/.*locks::Lock.*//'
finds "variable 'writing_' requires holding mutex 'mutex_'" $recorder '/^void Recorder::write_all/,/^}/ s/(.*locks::Unlock.*)/\1 writing_ = true;/'
finds "mutex 'mutex_' that is already held" $recorder '/^void Recorder::apply_ended/ a const locks::Lock lock(mutex_);'
finds "function 'close_runs' requires holding mutex 'mutex_'" $recorder '/^void Recorder::shut/,/^}/ s/.*locks::Lock.*//'
finds "mutex 'writer_' must be acquired before 'mutex_'" device-sdk/src/file_journal.cpp '/ acknowledged\(/ s/$/ const locks::Lock first(mutex_), second(writer_);/'
finds "variable 'leased_' requires holding mutex 'mutex_'" ingest-service/storage/postgres/link/pool.cpp '/wait_for/ s/REQUIRES.mutex_.//'
finds "variable 'leased_' requires holding mutex 'mutex_'" ingest-service/storage/postgres/link/pool.cpp '/::give_back/,/^}/ s/.*locks::Lock.*//'
finds "variable 'debts_' requires holding mutex 'mutex_'" device-sdk/src/recorder.hpp '/void take_debts_in/ s/REQUIRES.mutex_.//' $recorder
exit "$wrong"

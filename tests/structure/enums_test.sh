#!/usr/bin/env bash
# Enumerations become others by functions with a switch, which the compiler checks. usage: enums_test.sh SOURCE_DIR
#
# static_cast turns any enumeration into any other, and where their numbers differ nobody hears of it. A number that has
# been checked becomes an enumerator in braces, Stream{number}, which takes no other enumeration.
set -uo pipefail
cd "$1" || exit 1
bad=0

# Types of C++ begin with a capital letter; C's have lower case, as numbers have.
of_c=$(grep -rohE 'typedef enum [a-z0-9_]+' device-sdk/include | sed 's/.* //' | paste -sd '|')
[ -n "$of_c" ] || { echo 'no enumeration of the C API is found'; bad=1; }
pattern="static_cast<(::)?([A-Za-z0-9_]+::)*([A-Z][A-Za-z0-9_]*|$of_c)>"

# The pattern finds what it is to find.
for line in 'static_cast<Stream>(n)' 'static_cast<v1::Alarm_Kind>(n)' 'static_cast<AlarmLimit::Side>(n)' \
  'static_cast<::wardlink::storage::AlarmKind>(n)' 'static_cast<wardlink_priority>(n)'; do
  grep -qE "$pattern" <<<"$line" || { echo "$line is not found"; bad=1; }
done
for line in 'static_cast<std::uint8_t>(n)' 'static_cast<int>(n)' 'Stream{n}'; do
  ! grep -qE "$pattern" <<<"$line" || { echo "$line is found"; bad=1; }
done

for folder in device-sdk ingest-service/ingest ingest-service/storage ingest-service/client ingest-service/client-library; do
  sources=$(find "$folder" -name '*.cpp' -o -name '*.hpp')
  [ -n "$sources" ] || { echo "$folder has no source"; bad=1; continue; }
  found=$(grep -nE "$pattern" $sources)
  [ -z "$found" ] && continue
  echo 'an enumeration is converted by static_cast; write a function with a switch:'
  echo "$found"
  bad=1
done
exit $bad

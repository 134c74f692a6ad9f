#!/usr/bin/env bash
# Enumerations become others by functions with a switch, which the compiler checks. usage: enums_test.sh SOURCE_DIR
#
# static_cast turns any enumeration into any other, and where their numbers differ nobody hears of it. A number that has
# been checked becomes an enumerator in braces, Stream{number}, which takes no other enumeration.
set -uo pipefail
cd "$1" || exit 1

folders='ingest-service/ingest ingest-service/storage'
found=$(grep -rnE 'static_cast<([a-z0-9]+::)*([A-Z][A-Za-z]*::)*[A-Z][A-Za-z]*>' $folders --include='*.cpp' --include='*.hpp')
[ -z "$found" ] && exit 0
echo 'an enumeration is converted by static_cast; write a function with a switch:'
echo "$found"
exit 1

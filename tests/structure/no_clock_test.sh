#!/bin/bash
# Time and chance are arguments of the protocol core: the built library asks neither a clock nor a source of randomness.
# The one exception is RAND_bytes, which secure_random() offers to executables.
# usage: no_clock_test.sh LIBRARY...
set -euo pipefail
forbidden='(clock_gettime|clock_getres|gettimeofday|_ZNSt6chrono.*3nowEv|\btime$|timespec_get|nanosleep|\brand$|\brandom$|random_device|getrandom|getentropy|arc4random|\bsocket$|\bsendto$|\brecvfrom$)'
for library in "$@"; do
  symbols=$(nm -u "$library" 2>/dev/null)
  [ -n "$symbols" ] || { echo "$library: no symbols read"; exit 1; }
  if found=$(grep -E "$forbidden" <<<"$symbols"); then
    echo "$library must be told the time and given its chance, but it calls:"
    echo "$found"
    exit 1
  fi
done

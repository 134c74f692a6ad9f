#!/bin/bash
# Keys of sessions are logged by debug builds only: no other binary knows of SSLKEYLOGFILE or calls OpenSSL for it.
# usage: key_log_test.sh CONFIGURATION BINARY...
set -uo pipefail
configuration=$1
shift
for binary in "$@"; do
  strings=$(grep -ac 'SSLKEYLOGFILE' "$binary")
  calls=$(nm -D "$binary" | grep -c 'SSL_CTX_set_keylog_callback')
  if [ "$configuration" = Debug ]; then
    [ "$strings" -gt 0 ] && [ "$calls" -gt 0 ] && continue
    echo "$binary is of a debug build and logs no keys"
  else
    [ "$strings" -eq 0 ] && [ "$calls" -eq 0 ] && continue
    echo "$binary is of a $configuration build and could log the keys of sessions"
  fi
  exit 1
done

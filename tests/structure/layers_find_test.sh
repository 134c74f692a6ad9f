#!/usr/bin/env bash
# structure.layers finds what it forbids: a copy of the source gets, for each case below, one more file that includes what its
# room may not see. usage: layers_find_test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r coap locks names signs device-sdk ingest-service docs CMakeLists.txt .dockerignore "$folder"

wrong=0
tell() {
  echo "$*" >&2
  wrong=1
}
layers() {
  tests/structure/layers_test.sh "$folder" >"$folder/words" 2>&1
}

layers || tell "The copy is not sound: $(cat "$folder/words")"

# Each line: the words under which it has to be found, the room, what is included.
cases() {
  sed 's/ *| */|/g' <<'CASES'
sees too much | ingest-service/storage/port             | <wardlink/v1/ingest.pb.h>
sees too much | ingest-service/storage/port             | <signs/catalogue.hpp>
sees too much | ingest-service/storage/port             | <grpcpp/grpcpp.h>
sees too much | ingest-service/storage/port             | <daemon/latency.hpp>
sees too much | ingest-service/storage/postgres/link    | <wardlink/v1/ingest.pb.h>
sees too much | ingest-service/storage/postgres/link    | <grpcpp/grpcpp.h>
sees too much | ingest-service/storage/postgres/link    | <storage/postgres/write/batch.hpp>
sees too much | ingest-service/storage/api              | "../postgres/write/batch.hpp"
sees too much | ingest-service/storage/api              | <storage/postgres/write/batch.hpp>
sees too much | ingest-service/storage                  | <ingest/config.hpp>
sees too much | ingest-service/ingest/payload           | <wardlink/v1/ingest.pb.h>
sees too much | ingest-service/ingest/session           | <wardlink/v1/ingest.pb.h>
sees too much | ingest-service/ingest/session           | <ingest/shard/shard.hpp>
sees too much | ingest-service/ingest/shard             | <grpcpp/grpcpp.h>
sees too much | ingest-service/ingest/sink              | <coap/connection.hpp>
sees too much | ingest-service/ingest/sink              | <ingest/payload/intake.hpp>
sees too much | ingest-service/ingest                   | <storage/port/store.hpp>
sees too much | ingest-service/client                   | <storage/config.hpp>
sees too much | ingest-service/client-library           | <client/run.hpp>
sees too much | ingest-service/daemon                   | <wardlink/v1/ingest.pb.h>
sees too much | device-sdk                              | <storage/config.hpp>
sees too much | device-sdk                              | <daemon/latency.hpp>
sees too much | device-sdk                              | <grpcpp/grpcpp.h>
sees too much | coap                                    | <storage/config.hpp>
sees too much | coap                                    | <signs/catalogue.hpp>
sees too much | coap                                    | <wardlink/v1/ingest.pb.h>
sees too much | signs                                   | <coap/instant.hpp>
sees too much | names                                   | <coap/instant.hpp>
sees too much | locks                                   | <signs/catalogue.hpp>
prints nothing | ingest-service/client-library          | <iostream>
Asio has one home | ingest-service/ingest               | <boost/asio.hpp>
TLS has one home | coap                                 | <openssl/ssl.h>
CLI11, which is slow | ingest-service/storage           | <CLI/CLI.hpp>
libpqxx has one home | ingest-service/storage/api       | <pqxx/pqxx>
a mutex says what it guards | ingest-service/storage/api | <mutex>
CASES
}

number=0
while IFS='|' read -r words room header; do
  number=$((number + 1))
  # Two ways to write it.
  ((number % 2)) && include='#include' || include='# include'
  echo "$include $header" >"$folder/$room/planted$number.hpp"
done < <(cases)
! layers || tell 'The planted includes are taken.'

number=0
while IFS='|' read -r words room header; do
  number=$((number + 1))
  [[ $words != 'sees too much' ]] || words="$room sees too much"
  awk -v words="$words" -v file="$room/planted$number.hpp:" \
    '/:$/ { under = index($0, words) } under && index($0, file) == 1 { found = 1 } END { exit !found }' "$folder/words" ||
    tell "$room may include $header, and nobody says '$words'."
done < <(cases)
exit "$wrong"

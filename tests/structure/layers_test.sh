#!/bin/bash
# Who may include whom. usage: layers_test.sh SOURCE_DIR
set -uo pipefail
cd "$1" || exit 1
bad=0

# may_not WHERE PATTERN WHY [EXCEPT]: no file below WHERE may include PATTERN, but for those whose path matches EXCEPT.
may_not() {
  local found
  found=$(grep -rnE "#include *[<\"]$2" $1 --include='*.cpp' --include='*.hpp' --include='*.c' --include='*.h' | grep -vE "${4:-^$}")
  [ -z "$found" ] && return
  echo "$3:"
  echo "$found"
  bad=1
}

products='coap locks names signs device-sdk ingest-service'
may_not coap '(wardlink|signs|grpc|google|pqxx)/' 'coap knows nothing of hospitals, gRPC or databases'
may_not locks '(coap|names|signs|wardlink|grpc|google|pqxx|nlohmann|openssl|boost)/' 'locks sees nobody'
may_not names '(coap|signs|wardlink|grpc|google|pqxx|nlohmann|openssl|boost)/' 'names sees nobody'
may_not signs '(coap|wardlink|grpc|google|pqxx|nlohmann|openssl|boost)/' 'signs sees nobody'
may_not device-sdk '(wardlink/v1|grpc|google|pqxx)' 'the device SDK sees neither gRPC nor databases'
may_not ingest-service/storage 'coap/' 'storage never sees coap'
may_not ingest-service/client '(coap|signs|pqxx)/' 'the command line sees the client library and proto only'
may_not ingest-service/client-library '((coap|signs|names|pqxx|CLI|nlohmann|spdlog|client|daemon|ingest|storage)/|iostream|cstdio)' \
  'the client library sees gRPC and proto only, and prints nothing' '^ingest-service/client-library/examples/'
may_not ingest-service/ingest '(pqxx|.*storage/)' 'ingest and storage meet only in the .proto'
may_not "$products" '(boost|asio)' 'Boost.Asio has one home' '^coap/src/(udp_driver|event_loop|udp_[a-z]+)\.(c|h)pp:'
may_not "$products" 'openssl/ssl' "OpenSSL's TLS has one home" '^coap/src/dtls_[a-z]+\.(c|h)pp:'
may_not "$products" 'CLI/' 'CLI11, which is slow to compile, has few homes' \
  '^(ingest-service/(daemon/settings|client/(run|verb))|device-sdk/simulator/config)\.cpp:'
may_not 'ingest-service/storage/rules ingest-service/storage/memory' '(wardlink/v1|grpc|google|spdlog)' 'rules and the store in memory know only records'
may_not "$products" 'pqxx' 'libpqxx has one home' '^ingest-service/storage/postgres'
may_not "$products" '(mutex|shared_mutex|condition_variable)>' 'a mutex says what it guards (locks/mutex.hpp)' \
  '^(locks/include/locks/mutex\.hpp|ingest-service/(client-library|storage/memory)/)'

# A mutex that no member and no function of its file names guards nothing.
while IFS=: read -r file mutex; do
  grep -qE "(GUARDED_BY|REQUIRES)\([^)]*\b${mutex##* }\b" "$file" && continue
  echo "$file: ${mutex##* } guards nothing"
  bad=1
done < <(grep -rohHE 'locks::Mutex [a-z_]+' $products --include='*.cpp' --include='*.hpp')

# rooms PREFIX ROOM PATTERN: what of PREFIX/ a file of that room may include beside its own room's. A file that lies in no
# room stands above them all.
rooms() {
  local found
  found=$(grep -rnE "#include *[<\"]$1/" "ingest-service/$1/$2" --include='*.cpp' --include='*.hpp' |
    grep -vE "\"$1/($2/${3:+|$3})")
  [ -z "$found" ] && return
  echo "$1/$2 sees too much:"
  echo "$found"
  bad=1
}
rooms ingest payload ''
rooms ingest sink 'payload/record\.hpp'
rooms ingest session 'payload/|sink/record_sink\.hpp'
rooms ingest shard 'session/|sink/record_sink\.hpp'
rooms storage port ''
rooms storage wire 'port/'
rooms storage access 'port/|wire/'
rooms storage live 'port/|wire/'
rooms storage api 'port/|wire/|access/|live/'
rooms storage rules 'port/'
rooms storage memory 'port/|rules/'
rooms storage postgres 'port/|rules/'
rooms storage postgres/link 'port/|rules/'
rooms storage postgres/schema 'port/|postgres/link/'
rooms storage postgres/kinds 'port/|rules/|postgres/link/'
rooms storage postgres/write 'port/|rules/|postgres/(link|schema|kinds)/'
rooms storage postgres/read 'port/|postgres/(link/|kinds/|store_impl)'
rooms storage postgres/live 'port/|postgres/(link/|read/|store_impl)'
rooms storage postgres/registry 'port/|rules/|postgres/(link/|read/|store_impl)'

# A log call that has arguments compiles all of fmt's formatting into its file: two seconds and 88 KB. fmt::format() is
# in the library.
found=$(grep -rlPz 'spdlog::(trace|debug|info|warn|error|critical)\((\s*"[^"]*")+\s*,' $products --include='*.cpp' --include='*.hpp')
if [ -n "$found" ]; then
  echo 'log lines are formatted by fmt::format(), not by spdlog:'
  echo "$found"
  bad=1
fi

# One calendar: what storage dates, and what it compares instants with, is read from calendar() of the schema. (When a step
# of the schema was applied is dated before calendar() is there; ingest_api dates what an ingest sent without an instant.)
found=$(grep -rnE 'system_clock|\b(clock|statement|transaction)_timestamp\(|\bnow\(\)|CURRENT_(TIME|DATE)|LOCALTIME' \
  ingest-service/storage/{api,live,port,postgres,rules,wire} ingest-service/storage/schema/01[1-9]* |
  grep -vE 'Clock::now\(\)|steady_clock::now|schema/011_calendar.sql:3:|api/ingest_api.cpp:|" applied_at timestamptz')
if [ -n "$found" ]; then
  echo 'storage has one calendar, calendar() of its schema:'
  echo "$found"
  bad=1
fi

# The files that docs/architecture.md leads through are there, and from socket to COMMIT they are few.
stairs=$(sed -n '/^## From socket/,/^## Recipes/p' docs/architecture.md | grep -oE '^\| [0-9]+ \| [a-z_/-]+\.cpp' | sed 's/.*| //')
for file in $stairs; do
  if [ ! -e "$file" ]; then
    echo "docs/architecture.md leads through $file, which is not there"
    bad=1
  fi
done
if [ "$(sed -n '/^## From socket/,/^The result goes back/p' docs/architecture.md | grep -cE '^\| [0-9]+ \|')" -gt 24 ]; then
  echo 'from socket to COMMIT a record goes through more than 24 files (docs/architecture.md)'
  bad=1
fi

# The images are built from what .dockerignore lets through.
for folder in $(sed -nE 's/^ *add_subdirectory\(([a-z-]+)\).*/\1/p' CMakeLists.txt); do
  if [ "$folder" != tests ] && ! grep -qx "!$folder" .dockerignore; then
    echo "CMakeLists.txt needs $folder, which .dockerignore keeps out of the images"
    bad=1
  fi
done
exit $bad

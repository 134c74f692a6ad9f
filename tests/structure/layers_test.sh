#!/bin/bash
# Who may include whom. usage: layers_test.sh SOURCE_DIR
set -uo pipefail
cd "$1" || exit 1
bad=0

# may_not WHERE PATTERN WHY [EXCEPT]: no file below WHERE may include PATTERN, but for those whose path matches EXCEPT.
may_not() {
  local found
  found=$(grep -rnE "# *include *[<\"]$2" $1 --include='*.cpp' --include='*.hpp' --include='*.c' --include='*.h' | grep -vE "${4:-^$}")
  [ -z "$found" ] && return
  echo "$3:"
  echo "$found"
  bad=1
}

products='coap locks names signs device-sdk ingest-service'

# room PATH ALLOWED: whatever a file below PATH includes, of this project or of a library, is its own room's or ALLOWED. The
# standard library and the system's headers are free.
ours='coap|locks|names|signs|wardlink|ingest|storage|client|daemon'
libraries='grpc|grpcpp|google|pqxx|nlohmann|spdlog|prometheus|openssl|boost|CLI|cbor\.h'
room() {
  local found
  [ -d "$1" ] || { echo "$1 is not there"; bad=1; return; }
  found=$(grep -rnE "# *include *(\"|<(($ours|$libraries)[/.>]|cbor\.h))" "$1" --include='*.cpp' --include='*.hpp' --include='*.c' \
    --include='*.h' | grep -vE "# *include *[\"<]($2)")
  [ -z "$found" ] && return
  echo "$1 sees too much:"
  echo "$found"
  bad=1
}
own='[a-z0-9_]+\.hpp"'  # beside the file
room locks 'locks/'
room names 'names/|'"$own"
room signs 'signs/|'"$own"
room coap "coap/|names/|locks/|$own|(boost|openssl|nlohmann)/|cbor\.h"
room device-sdk "coap/|signs/|names/|locks/|wardlink/[a-z_]+\.(hpp|h)[\">]|$own|(CLI|nlohmann)/"
room ingest-service/ingest/payload 'ingest/payload/|coap/|signs/'
room ingest-service/ingest/sink 'ingest/(sink/|payload/record\.hpp)|coap/(clock|instant)\.hpp|locks/|wardlink/v1/|(grpc|grpcpp)/'
room ingest-service/ingest/session 'ingest/(session/|payload/|sink/record_sink\.hpp)|coap/|names/|daemon/latency\.hpp'
room ingest-service/ingest/shard 'ingest/(shard/|session/|sink/record_sink\.hpp)|coap/|locks/'
room ingest-service/ingest 'ingest/|coap/|signs/|names/|locks/|daemon/|wardlink/v1/|(grpc|grpcpp|nlohmann|spdlog|prometheus|CLI)/'
room ingest-service/storage/port 'storage/port/'
room ingest-service/storage/rules 'storage/(rules|port)/|signs/|nlohmann/'
room ingest-service/storage/memory 'storage/(memory|port|rules)/'
room ingest-service/storage/wire 'storage/(wire|port)/|signs/|names/|wardlink/v1/|(google|grpcpp|spdlog)/'
room ingest-service/storage/access 'storage/(access|port|wire)/|names/|locks/|(grpc|grpcpp|openssl|spdlog)/'
room ingest-service/storage/live 'storage/(live|port|wire)/|locks/|wardlink/v1/|spdlog/'
room ingest-service/storage/api 'storage/((api|port|wire|access|live)/|rules/calendar_step\.hpp)|signs/|locks/|daemon/latency\.hpp|wardlink/v1/|(grpc|grpcpp|spdlog)/'
room ingest-service/storage/postgres 'storage/(postgres|port|rules)/|locks/|(pqxx|spdlog)/'
for one in 'link ' 'schema link/' 'kinds link/' 'clocks link/' 'ends (link|clocks)/' \
  'write (link|schema|kinds|clocks|ends)/' 'read (link/|kinds/|clocks/|ends/|store_impl)' \
  'live (link/|clocks/|read/|store_impl)' 'registry (link/|clocks/|read/|ends/|store_impl)'; do
  read -r name seen <<<"$one"
  room "ingest-service/storage/postgres/$name" "storage/(port/|rules/|postgres/$name/${seen:+|postgres/$seen})|locks/|(pqxx|spdlog)/"
done
room ingest-service/storage 'storage/|signs/|names/|locks/|daemon/|wardlink/v1/|(grpc|grpcpp|google|openssl|pqxx|nlohmann|spdlog|prometheus|CLI)/'
room ingest-service/daemon 'daemon/|(openssl|prometheus|spdlog|CLI)/'
room ingest-service/client-library "wardlink/(client|v1)/|$own|(google|grpc|grpcpp)/"
room ingest-service/client 'client/|wardlink/(client|v1)/|(google|grpc|CLI|nlohmann)/'
may_not ingest-service/client-library '(iostream|cstdio)' 'the client library prints nothing' '^ingest-service/client-library/examples/'

may_not "$products" '(boost|asio)' 'Boost.Asio has one home' '^coap/src/(udp_driver|event_loop|udp_[a-z]+)\.(c|h)pp:'
may_not "$products" 'openssl/ssl' "OpenSSL's TLS has one home" '^coap/src/dtls_[a-z]+\.(c|h)pp:'
may_not "$products" 'CLI/' 'CLI11, which is slow to compile, has few homes' \
  '^(ingest-service/(daemon/settings|client/(run|verb))|device-sdk/simulator/config)\.cpp:'
may_not "$products" 'pqxx' 'libpqxx has one home' '^ingest-service/storage/postgres'
may_not "$products" '(mutex|shared_mutex|condition_variable)>' 'a mutex says what it guards (locks/mutex.hpp)' \
  '^(locks/include/locks/mutex\.hpp|ingest-service/(client-library|storage/memory)/)'

# A mutex that no member and no function of its file names guards nothing.
while IFS=: read -r file mutex; do
  grep -qE "(GUARDED_BY|REQUIRES)\([^)]*\b${mutex##* }\b" "$file" && continue
  echo "$file: ${mutex##* } guards nothing"
  bad=1
done < <(grep -rohHE 'locks::Mutex [a-z_]+' $products --include='*.cpp' --include='*.hpp')

# A log call that has arguments compiles all of fmt's formatting into its file: two seconds and 88 KB. fmt::format() is
# in the library.
found=$(grep -rlPz 'spdlog::(trace|debug|info|warn|error|critical)\((\s*"[^"]*")+\s*,' $products --include='*.cpp' --include='*.hpp')
if [ -n "$found" ]; then
  echo 'log lines are formatted by fmt::format(), not by spdlog:'
  echo "$found"
  bad=1
fi

# One calendar: what storage dates, and what it compares instants with, is read from calendar() of the schema; what ingest
# sends bears none. (When a step of the schema was applied is dated before calendar() is there.)
found=$(grep -rnE 'system_clock|\b(clock|statement|transaction)_timestamp\(|\bnow\(\)|CURRENT_(TIME|DATE)|LOCALTIME' \
  ingest-service/storage/{api,live,port,postgres,rules,wire} ingest-service/storage/schema/01[1-9]* |
  grep -vE 'Clock::now\(\)|steady_clock::now|schema/011_calendar.sql:3:|" applied_at timestamptz')
found+=$(grep -rn 'system_clock' ingest-service/ingest | grep -v 'ingest/service.cpp:')
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

#!/usr/bin/env bash
# certs/make-pki makes what its README promises: who signs what, usages, names, lifetimes, file modes; and keeps it.
set -euo pipefail
make_pki=$1
pki=$(mktemp -d)
other=$(mktemp -d)
trap 'rm -rf "$pki" "$other"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
text() { openssl x509 -in "$1" -noout -text; }
has() { text "$pki/$1" | grep -q -- "$2" || fail "$1 lacks '$2'"; }
verifies() { openssl verify -x509_strict -CAfile "$pki/$1-ca.pem" -purpose "$2" "$pki/$3" >/dev/null 2>&1; }
lasts() { # certificate days
  openssl x509 -in "$pki/$1" -noout -checkend $(($2 * 86400 - 3600)) >/dev/null || fail "$1 lasts less than $2 days"
  ! openssl x509 -in "$pki/$1" -noout -checkend $(($2 * 86400 + 3600)) >/dev/null || fail "$1 lasts more than $2 days"
}
refused_with() { # words command...
  local words=$1 said
  shift
  if said=$("$@" 2>&1); then fail "'$*' was taken"; fi
  [[ $said == *"$words"* && $(wc -l <<<"$said") == 1 ]] || fail "'$*' said: $said"
}

"$make_pki" init "$pki" --host ingest.example --host 10.1.2.3
"$make_pki" init "$other"
"$make_pki" device "$pki" bed-7 >"$other/said"
"$make_pki" device "$pki" named urn:dev:os:32473-0123456789abcdef >/dev/null
"$make_pki" client "$pki" nora >/dev/null
"$make_pki" service "$pki" health >/dev/null
"$make_pki" devices "$pki" 5 >/dev/null

# Who signs what, and for what.
for name in ingest storage; do
  verifies service sslserver $name.pem || fail "$name is no server of service-ca"
  ! verifies service sslclient $name.pem || fail "$name may be a client"
  has $name.pem 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:ingest.example, IP Address:10.1.2.3'
  lasts $name.pem 397
done
for name in ingest-client services/health; do
  verifies service sslclient $name.pem || fail "$name is no client of service-ca"
  ! verifies people sslclient $name.pem || fail "$name passes as a person"
  ! verifies device sslclient $name.pem || fail "$name passes as a device"
  lasts $name.pem 397
done
for name in clients/admin clients/nora; do # ISO-1: none of them opens ingest's port
  verifies people sslclient $name.pem || fail "$name is no client of people-ca"
  ! verifies service sslclient $name.pem || fail "$name passes as a service"
  ! verifies device sslclient $name.pem || fail "$name passes as a device"
  lasts $name.pem 397
done
has services/health.pem 'URI:urn:wardlink:service:health'
has ingest-client.pem 'URI:urn:wardlink:service:ingest'
has clients/nora.pem 'URI:urn:wardlink:client:nora'
for name in devices/bed-7 devices/named devices/device-0001 devices/device-0005; do
  verifies device sslclient $name.pem || fail "$name is no device of device-ca"
  ! verifies device sslserver $name.pem || fail "$name may be a server"
  ! verifies service sslclient $name.pem || fail "$name passes as a client of the services"
  has $name.pem 'URI:urn:dev:os:32473-[0-9a-f]\{16\}$'
  lasts $name.pem 730
done
has devices/named.pem 'URI:urn:dev:os:32473-0123456789abcdef'
text "$pki/devices/bed-7.pem" | grep -q bed-7 && fail "the label of a device stands in its certificate"
[[ $(cat "$other/said") == "$pki/devices/bed-7.pem urn:dev:os:32473-"* ]] || fail "device said: $(cat "$other/said")"
lasts device-ca.pem 3650
lasts service-ca.pem 3650
lasts people-ca.pem 3650
for pem in "$pki"/*.pem "$pki"/*/*.pem; do
  text "$pem" | grep -q 'NIST CURVE: P-256' || fail "$pem is not on P-256"
  text "$pem" | grep -q 'Signature Algorithm: ecdsa-with-SHA256' || fail "$pem is not signed with SHA-256"
done

# Nobody else reads the keys.
[[ -z $(find "$pki" -type f ! -perm 600) ]] || fail "a file's mode is not 0600: $(find "$pki" -type f ! -perm 600)"
[[ -z $(find "$pki" -type d ! -perm 700) ]] || fail "a folder's mode is not 0700"

# What exists is kept; what is missing comes back.
before=$(cat "$pki"/*.pem "$pki"/*/*.pem | sha256sum)
"$make_pki" init "$pki" && "$make_pki" devices "$pki" 5 >/dev/null && "$make_pki" device "$pki" bed-7 >/dev/null
[[ $(cat "$pki"/*.pem "$pki"/*/*.pem | sha256sum) == "$before" ]] || fail "a second run changed a certificate"
rm "$pki/devices/device-0003.pem"
"$make_pki" devices "$pki" 5 >/dev/null
verifies device sslclient devices/device-0003.pem || fail "a missing device was not made again"

# Wrong on purpose.
"$make_pki" device "$pki" expired --expired >/dev/null
"$make_pki" device "$pki" early --not-yet-valid >/dev/null
"$make_pki" device "$pki" server-use --eku server >/dev/null
"$make_pki" device "$pki" no-use --eku none >/dev/null
"$make_pki" device "$pki" foreign --ca "$other" >/dev/null
for name in expired early server-use foreign; do
  ! verifies device sslclient devices/$name.pem || fail "the $name device verifies"
done
text "$pki/devices/no-use.pem" | grep -q 'Extended Key Usage' && fail "--eku none has an extended key usage"

# One sentence when it cannot be done.
refused_with "no usable name" "$make_pki" device "$pki" ../escape
refused_with "run 'make-pki init" "$make_pki" device "$other/nothing" bed-1
refused_with "no number of devices" "$make_pki" devices "$pki" many
refused_with "at most 63" "$make_pki" device "$pki" long "urn:dev:os:32473-$(printf '0%.0s' {1..60})"
refused_with "at most 63" "$make_pki" client "$pki" "$(printf 'n%.0s' {1..44})"
refused_with "begins with urn:dev:" "$make_pki" device "$pki" odd urn:isbn:1
refused_with "begins with urn:dev:" "$make_pki" device "$pki" odd urn:dev:os:a/b
refused_with "begins with urn:dev:" "$make_pki" device "$pki" odd $'urn:dev:os:a\x01b'
refused_with "is not known" "$make_pki" init "$pki" --force
refused_with "cannot be made" "$make_pki" init /proc/pki
"$make_pki" --help | grep -q 'make-pki device DIR LABEL' || fail "--help does not teach"
echo "make-pki keeps its promises"

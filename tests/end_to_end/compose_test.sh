#!/usr/bin/env bash
# docker-compose.yml for real: a Docker engine of our own, images without a registry, the stack up and healthy, asked from
# the engine's host, and all of it gone again; with `docker compose` and with docker-compose 1.29, as far as they are there.
# Prints the seconds that each step took; exit code 77 says why it was skipped.
#
# usage: compose_test.sh SOURCE_DIR CLIENT [BASE]
#   CLIENT   the program wardlink, on this host
#   BASE     a folder that holds Debian 12 already (debootstrap --variant=minbase); without it one is made
set -euo pipefail
source_dir=$(realpath "$1") client=$(realpath "$2") base=${3:-}

skip() {
  echo "SKIPPED: $*"
  exit 77
}

if [[ ! ${ENGINE_FOLDER:-} ]]; then
  [[ $base ]] || command -v debootstrap >/dev/null ||
    skip "there is no debootstrap: scripts/install-dependencies --with-docker gets it."
  exec "$source_dir/tests/end_to_end/compose/with-engine" "$0" "$@"
fi

compose=()
fail() {
  echo "compose_test: $*" >&2
  ((${#compose[@]})) || exit 1
  "${compose[@]}" ps >&2 || true
  "${compose[@]}" logs --tail=20 >&2 || true
  exit 1
}

# Says what is done, and how long what was done before it took.
step_started=''
step() {
  [[ ! $step_started ]] || echo "... $((SECONDS - step_started)) s"
  step_started=$SECONDS
  echo "$*"
}

logged() { # LOG COMMAND...: quiet unless it fails
  local log=$ENGINE_FOLDER/$1
  shift
  "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "'$*' failed."; }
}

wait_for() { # what command... (its word is $1)
  local wanted=$1 waited=0
  shift
  until "$@" 2>/dev/null | grep -q -- "$wanted"; do
    ((waited++ < 600)) || fail "'$*' did not say '$wanted' within five minutes."
    sleep 0.5
  done
}

container_of() { "${compose[@]}" ps -aq "$1"; }

state_of() {
  docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$(container_of "$1")"
}

exit_code_of() { docker inspect --format '{{.State.ExitCode}}' "$(container_of "$1")"; }

bring_up() {
  logged up.log "${compose[@]}" up --detach
  for service in postgres storage-ingest storage-api ingest; do wait_for '^healthy$' state_of "$service"; done
  wait_for '^running$' state_of ward
  [[ $(exit_code_of certificates) == 0 ]] || fail "certificates failed."
}

# As a person on this host: a certificate from the stack, the published port, the client's table.
ask() {
  "$client" --server localhost:50051 --cert "$pki/admin.pem" --key "$pki/admin.key" --ca "$pki/service-ca.pem" --timeout 120 "$@"
}

devices_heard() { ask vitals latest --json | grep -o 'urn:dev:os:32473-[0-9a-f]*' | sort -u | wc -l; }

ask_from_the_host() {
  local port
  pki=$(mktemp -d "$ENGINE_FOLDER/pki.XXXXXX")/client
  docker cp "$(container_of certificates):/secrets/client" "$pki" >/dev/null
  port=$("${compose[@]}" port storage-api 50051)
  [[ $port == 127.0.0.1:50051 ]] || fail "gRPC is published on $port."
  wait_for '^4$' devices_heard
  ask vitals latest
}

# Not root, nothing to write on, no shell, no capability; and each sees its own secrets only.
check_confinement() {
  local service container facts
  for service in storage-ingest storage-api ingest ward; do
    container=$(container_of "$service")
    facts=$(docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}' "$container")
    [[ $facts == '65532:65532 true [ALL]' ]] || fail "$service runs as: $facts"
    ! docker exec "$container" sh -c true >/dev/null 2>&1 || fail "$service has a shell."
    docker cp "$container:/secrets/service-ca.pem" - >/dev/null 2>&1 || fail "$service lacks the services' authority."
    ! docker cp "$container:/secrets/device-ca.key" - >/dev/null 2>&1 || fail "$service has an authority's key."
  done
}

# Whoever is asked to end ends by itself: 137 would be a container that had to be killed.
take_down() {
  local service code
  logged stop.log "${compose[@]}" stop --timeout 30
  for service in storage-ingest storage-api ingest ward; do
    code=$(exit_code_of "$service")
    # A ward that is interrupted does not wait long for its last ACKs, and says so with 1.
    [[ $code == 0 || $service/$code == ward/1 ]] || fail "$service ended with exit code $code."
  done
  logged down.log "${compose[@]}" down --volumes
  [[ -z $(docker volume ls -q) && -z $(docker ps -aq) ]] || fail "something was left behind."
}

export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0 COMPOSE_PROJECT_NAME=wardlink
unset "${!WARDLINK_@}"
flavours=()
! docker compose version >/dev/null 2>&1 || flavours+=("docker compose")
! docker-compose version >/dev/null 2>&1 || flavours+=("docker-compose")
((${#flavours[@]})) || skip "there is no docker-compose: scripts/install-dependencies --with-docker gets it."

# What a registry would have.
step "Making the images that a registry would have"
if [[ -z $base ]]; then
  base=$ENGINE_FOLDER/base
  debootstrap --variant=minbase bookworm "$base" >"$ENGINE_FOLDER/debootstrap.log" 2>&1 ||
    skip "Debian's packages cannot be reached: $(tail -n 1 "$ENGINE_FOLDER/debootstrap.log")"
fi
tar -C "$base" -c . | docker import - debian:bookworm-slim >/dev/null
logged postgres.log docker build --tag postgres:15 "$source_dir/tests/end_to_end/compose"

# A copy: what is edited meanwhile would be built anew for each service.
mkdir "$ENGINE_FOLDER/source"
cd "$source_dir"
cp -a --parents Dockerfile docker-compose.yml .dockerignore $(sed -n 's/^!//p' .dockerignore) "$ENGINE_FOLDER/source"
cd "$ENGINE_FOLDER/source"

for flavour in "${flavours[@]}"; do
  read -ra compose <<<"$flavour"
  step "Building Wardlink's images: $flavour build"
  logged build.log "${compose[@]}" build
  step "Bringing them up, and waiting until they are healthy: $flavour up --detach"
  bring_up
  step "Asking from the host, then in a container: $flavour run --rm client vitals latest"
  ask_from_the_host
  logged client.log "${compose[@]}" run --rm client vitals latest
  check_confinement
  step "Stopping it, and leaving nothing behind: $flavour down --volumes"
  take_down
done
step "Passed after $SECONDS s. The images:"
docker images --format '{{.Repository}} {{.Size}}' | grep '^wardlink'

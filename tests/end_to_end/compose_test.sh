#!/usr/bin/env bash
# docker-compose.yml for real: a Docker engine of our own, images without a registry, the stack up and healthy, asked from
# this host, and all of it gone again. Prints the seconds that it took.
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

fail() {
  echo "compose_test: $*" >&2
  docker-compose ps >&2 || true
  docker-compose logs --tail=20 >&2 || true
  exit 1
}

[[ -n ${WARDLINK_COMPOSE:-} ]] || skip "it builds four images and takes minutes: WARDLINK_COMPOSE=1 runs it."
(($(id -u) == 0)) || skip "a Docker engine of one's own needs root."
for program in dockerd docker docker-compose debootstrap iptables-save; do
  command -v "$program" >/dev/null || skip "there is no $program (apt install docker.io docker-compose debootstrap iptables)."
done

work=$(mktemp -d "${TMPDIR:-/tmp}/wardlink-compose.XXXXXX")
engine='' had_bridge=false
[[ ! -e /sys/class/net/docker0 ]] || had_bridge=true
forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
# A table without rules is not saved, but must be without rules again.
save_rules() {
  iptables-save
  [[ $(iptables-save -t filter) ]] || printf '*filter\n:%s ACCEPT\n:%s ACCEPT\n:%s ACCEPT\nCOMMIT\n' INPUT FORWARD OUTPUT
  [[ $(iptables-save -t nat) ]] ||
    printf '*nat\n:%s ACCEPT\n:%s ACCEPT\n:%s ACCEPT\n:%s ACCEPT\nCOMMIT\n' PREROUTING INPUT OUTPUT POSTROUTING
}
save_rules >"$work/rules"
export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0 COMPOSE_PROJECT_NAME=wardlink
export DOCKER_CONFIG=$work

# Everything that was there before is there again, and nothing else.
clean_up() {
  local left
  if [[ -n $engine ]]; then
    docker-compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
  fi
  iptables-restore <"$work/rules" || true
  echo "$forwarding" >/proc/sys/net/ipv4/ip_forward || true
  $had_bridge || ip link delete docker0 2>/dev/null || true
  for left in $(awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/mounts | sort -r); do umount -l "$left" || true; done
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
  --storage-driver overlay2 >"$work/dockerd.log" 2>&1 &
engine=$!
until docker info >/dev/null 2>&1; do
  kill -0 "$engine" 2>/dev/null || { engine=''; skip "no Docker engine can be started here: $(tail -n 1 "$work/dockerd.log")"; }
  sleep 0.2
done

# What a registry would have.
if [[ -z $base ]]; then
  base=$work/base
  debootstrap --variant=minbase bookworm "$base" >"$work/debootstrap.log" 2>&1 ||
    skip "Debian's packages cannot be reached: $(tail -n 1 "$work/debootstrap.log")"
fi
tar -C "$base" -c . | docker import - debian:bookworm-slim >/dev/null
docker build --quiet --tag postgres:15 "$source_dir/tests/end_to_end/compose" >/dev/null || fail "postgres:15 was not built."

# A copy: what is edited meanwhile would be built anew for each service.
mkdir "$work/source"
(cd "$source_dir" && cp -a --parents Dockerfile docker-compose.yml .dockerignore $(sed -n 's/^!//p' .dockerignore) "$work/source")
cd "$work/source"
export WARDLINK_GRPC_PORT=0 WARDLINK_COAP_PORT=0 WARDLINK_DEVICES=3
started=$SECONDS
docker-compose build >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; fail "the images were not built."; }
built=$SECONDS
docker-compose up --detach >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; fail "the stack did not come up."; }

state_of() { docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' \
  "$(docker-compose ps -aq "$1")"; }

wait_for() { # what command... (its word is $1)
  local wanted=$1 waited=0
  shift
  until "$@" 2>/dev/null | grep -q -- "$wanted"; do
    ((waited++ < 600)) || fail "'$*' did not say '$wanted' within five minutes."
    sleep 0.5
  done
}

for service in postgres storage ingest; do wait_for '^healthy$' state_of "$service"; done
healthy=$SECONDS
wait_for '^running$' state_of ward
[[ $(docker inspect --format '{{.State.ExitCode}}' "$(docker-compose ps -aq certificates)") == 0 ]] || fail "certificates failed."

# As a person on this host: a certificate from the stack, the published port, the client's table.
docker cp "$(docker-compose ps -aq certificates):/secrets/client" "$work/client" >/dev/null
port=$(docker-compose port storage 50051)
[[ $port == 127.0.0.1:* ]] || fail "gRPC is published on $port."
ask() {
  "$client" --server "localhost:${port##*:}" --cert "$work/client/admin.pem" --key "$work/client/admin.key" \
    --ca "$work/client/service-ca.pem" "$@"
}
devices_heard() { ask vitals latest --json | grep -o 'urn:dev:os:32473-[0-9a-f]*' | sort -u | wc -l; }
wait_for '^3$' devices_heard
ask vitals latest
answered=$SECONDS
docker-compose run --rm client vitals latest >"$work/inside" 2>&1 || { cat "$work/inside" >&2; fail "the client's container failed."; }

# Not root, nothing to write on, no shell, no capability; and each sees its own secrets only.
for service in storage ingest ward; do
  container=$(docker-compose ps -q "$service")
  facts=$(docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}' "$container")
  [[ $facts == '65532:65532 true [ALL]' ]] || fail "$service runs as: $facts"
  ! docker exec "$container" sh -c true >/dev/null 2>&1 || fail "$service has a shell."
done
for service in storage ingest ward; do
  ! docker cp "$(docker-compose ps -q "$service"):/secrets/device-ca.key" - >/dev/null 2>&1 || fail "$service has an authority's key."
done

# Whoever is asked to end ends by itself: 137 would be a container that had to be killed.
stopping=$SECONDS
docker-compose stop --timeout 30 >/dev/null 2>&1
for service in storage ingest ward; do
  code=$(docker inspect --format '{{.State.ExitCode}}' "$(docker-compose ps -aq "$service")")
  [[ $code == 0 ]] || fail "$service ended with exit code $code."
done
docker images --format '{{.Repository}} {{.Size}}' | grep '^wardlink_'
docker-compose down --volumes >/dev/null 2>&1 || fail "the stack did not go down."
[[ -z $(docker volume ls -q) && -z $(docker ps -aq --filter label=com.docker.compose.project) ]] || fail "something was left behind."

echo "images built in $((built - started)) s; up and healthy after $((healthy - built)) s; three devices read from the" \
  "host after $((answered - built)) s; down and gone in $((SECONDS - stopping)) s"

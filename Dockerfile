# The images of docker-compose.yml: storage, ingest, ward and client hold a program, the libraries that it loads and
# nothing else, not even a shell; certificates holds openssl and a script that runs once. None runs as root.
#
#   docker build --target storage -t wardlink-storage .

FROM debian:bookworm-slim AS build
WORKDIR /wardlink
COPY scripts/install-dependencies scripts/
# The database has an image of its own, tests are not built here, and nothing is compiled twice.
RUN apt-get update && scripts/install-dependencies --list | grep -Ev '^(postgresql|libgtest-dev|libgmock-dev|ccache)$' | \
    DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DWARDLINK_TESTS=OFF && \
    cmake --build --preset release --target wardlink wardlink-ingest wardlink-storage wardlink-ward
# A root file system for each: the stripped program, and what it loads.
RUN set -eu; for program in wardlink wardlink-ingest wardlink-storage wardlink-ward; do \
      root=/images/$program; mkdir -p "$root/usr/bin"; \
      strip -o "$root/usr/bin/$program" "build/release/bin/$program"; \
      ldd "build/release/bin/$program" | grep -o '/[^ ]*' | xargs cp -L --parents -t "$root"; \
    done

FROM scratch AS storage
COPY --from=build /images/wardlink-storage /
USER 65532:65532
ENTRYPOINT ["/usr/bin/wardlink-storage"]

FROM scratch AS ingest
COPY --from=build /images/wardlink-ingest /
USER 65532:65532
ENTRYPOINT ["/usr/bin/wardlink-ingest"]

FROM scratch AS ward
COPY --from=build /images/wardlink-ward /
USER 65532:65532
ENTRYPOINT ["/usr/bin/wardlink-ward"]

FROM scratch AS client
COPY --from=build /images/wardlink /
USER 65532:65532
ENTRYPOINT ["/usr/bin/wardlink"]

FROM debian:bookworm-slim AS certificates
RUN apt-get update && apt-get install -y --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*
COPY certs/make-pki compose/hand-out-secrets /usr/bin/
# A new volume takes the owner of the folder that it covers.
RUN install -d -m 0700 -o 65532 -g 65532 /pki /secrets/storage /secrets/ingest /secrets/ward /secrets/client && \
    install -d -m 0755 -o 65532 -g 65532 /secrets/postgres
USER 65532:65532
ENTRYPOINT ["/usr/bin/hand-out-secrets"]

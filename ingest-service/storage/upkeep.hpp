#pragma once
// What a process of storage sees to beside its calls.

#include <cstddef>

#include "storage/config.hpp"
#include "storage/server.hpp"

namespace wardlink::storage {

/// What gRPC says of itself goes to the log.
void log_what_grpc_says();

/// SIGHUP: the certificates of the files, for the port that `serves` says. What cannot be used changes nothing.
void renew(Server& server, const CredentialFiles& files, Server::Serves serves);

/// Whoever can make gRPC grow must take no more down than this process, which whoever runs it starts again. It does not
/// end in order: what fills it would have to be taken apart first. No ACK rests on what it holds. `most`: MiB resident.
void end_if_too_large(std::size_t most);

}  // namespace wardlink::storage

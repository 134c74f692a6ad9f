#include "storage/healthcheck.hpp"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>

namespace wardlink::storage {
namespace {

/// grpc.health.v1.Health/Check by hand: an empty request, and in the answer field 1 = 1 (SERVING).
grpc::Status check(const std::shared_ptr<grpc::Channel>& channel, bool& serving) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
  grpc::CompletionQueue queue;
  grpc::ByteBuffer answer;
  grpc::Status status;
  const grpc::ByteBuffer nothing(nullptr, 0);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", nothing, &queue);
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return status;
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (answer.Dump(&slices).ok()) {
    for (const auto& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  serving = bytes == std::string("\x08\x01", 2);
  return status;
}

}  // namespace

int healthcheck(const Server::Config& config) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = config.credentials.authority;
  options.pem_private_key = config.credentials.key;
  options.pem_cert_chain = config.credentials.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // whatever http_proxy and its like say
  bool serving = false;
  const auto status =
      check(grpc::CreateCustomChannel(config.address, grpc::SslCredentials(options), arguments), serving);
  if (status.ok() && serving) return 0;
  std::cerr << "wardlink-storage: the service at " << config.address
            << (status.ok() ? " runs but does not serve: its database is away." : " does not answer: ")
            << status.error_message() << "\n";
  return 1;
}

}  // namespace wardlink::storage

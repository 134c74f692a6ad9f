#include "storage/server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <chrono>

#include "storage/access.hpp"
#include "storage/alarm_api.hpp"
#include "storage/ingest_api.hpp"
#include "storage/registry_api.hpp"
#include "storage/vitals_api.hpp"

namespace wardlink::storage {
namespace {

std::shared_ptr<grpc::ServerCredentials> credentials(const Server::Config& config) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = config.authority;
  options.pem_key_cert_pairs.push_back({config.key, config.certificate});
  return grpc::SslServerCredentials(options);
}

void set_limits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(4 * 1024 * 1024);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 * 1024);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 30 * 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  // Else a second service would share the port in silence.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A call holds a thread while it runs: a flood ends in RESOURCE_EXHAUSTED, not in a dead process.
  grpc::ResourceQuota quota("wardlink-storage");
  quota.SetMaxThreads(256);
  quota.Resize(256 * 1024 * 1024);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct Server::Impl {
  Impl(RecordStore& records, RegistryStore& registry, AccessStore& access)
      : guard(access),
        ingest(records, guard),
        vitals(records, guard),
        alarms(records, guard),
        devices(registry, guard),
        patients(registry, guard) {}

  Guard guard;
  IngestApi ingest;
  VitalsApi vitals;
  AlarmApi alarms;
  DeviceApi devices;
  PatientApi patients;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access)
    : impl_(std::make_unique<Impl>(records, registry, access)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  set_limits(builder);
  builder.AddListeningPort(config.address, credentials(config), &impl_->port);
  builder.RegisterService(&impl_->ingest);
  builder.RegisterService(&impl_->vitals);
  builder.RegisterService(&impl_->alarms);
  builder.RegisterService(&impl_->devices);
  builder.RegisterService(&impl_->patients);
  impl_->server = builder.BuildAndStart();
  if (!impl_->server || impl_->port == 0) {
    throw ListenError("Cannot listen on " + config.address +
                      ": another program uses the port, the address is not this machine's, or the certificate and key"
                      " do not fit each other.");
  }
}

Server::~Server() { shutdown(); }

int Server::port() const { return impl_->port; }

void Server::set_serving(bool serving) { impl_->server->GetHealthCheckService()->SetServingStatus(serving); }

void Server::shutdown() {
  if (!impl_->server) return;
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace wardlink::storage

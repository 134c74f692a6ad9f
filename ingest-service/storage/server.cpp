#include "storage/server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <chrono>

#include "storage/access.hpp"
#include "storage/alarm_api.hpp"
#include "storage/call_gate.hpp"
#include "storage/ingest_api.hpp"
#include "storage/registry_api.hpp"
#include "storage/vitals_api.hpp"

namespace wardlink::storage {
namespace {

std::shared_ptr<grpc::ServerCredentials> credentials(const Server::Config& config) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = config.credentials.authority;
  options.pem_key_cert_pairs.push_back({config.credentials.key, config.credentials.certificate});
  auto made = grpc::SslServerCredentials(options);
  made->SetAuthMetadataProcessor(std::make_shared<CallGate>(config.calls_per_second));
  return made;
}

/// What one peer may take of a connection. No connection has a greatest age: the streams of ingest last for months,
/// and grants are asked for again while they stand.
void limit_connections(grpc::ServerBuilder& builder, const Server::Config& config) {
  builder.SetMaxReceiveMessageSize(4 * 1024 * 1024);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 * 1024);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, static_cast<int>(config.handshake_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 30 * 60'000);
  // Who vanishes without a word is noticed within 30 s; who pings more often than every 5 s is sent away.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
}

/// What all of them together may take. A call holds a thread while it runs: a flood ends in RESOURCE_EXHAUSTED, not in
/// a dead process.
void limit_process(grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("wardlink-storage");
  quota.SetMaxThreads(256);
  quota.Resize(256 * 1024 * 1024);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct Server::Impl {
  Impl(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access, LiveStore& live)
      : guard(access, config.grant_recheck),
        tail(live, config.live),
        watch(live, tail, guard),
        ingest(records, guard, config.ingest_streams),
        vitals(records, guard, watch),
        alarms(records, guard, watch),
        devices(registry, guard),
        patients(registry, guard),
        port(config.address, config.limits) {}

  Guard guard;
  LiveTail tail;
  WatchService watch;
  IngestApi ingest;
  VitalsApi vitals;
  AlarmApi alarms;
  DeviceApi devices;
  PatientApi patients;
  ListeningPort port;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access,
               LiveStore& live)
    : impl_(std::make_unique<Impl>(config, records, registry, access, live)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  limit_connections(builder, config);
  limit_process(builder);
  impl_->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials(config));
  builder.RegisterService(&impl_->ingest);
  builder.RegisterService(&impl_->vitals);
  builder.RegisterService(&impl_->alarms);
  builder.RegisterService(&impl_->devices);
  builder.RegisterService(&impl_->patients);
  impl_->server = builder.BuildAndStart();
  if (!impl_->server) throw ListenError("The certificate and its key do not fit each other, or cannot be used.");
  impl_->port.start([this](int connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters handed;
    handed.fd = connection;
    impl_->acceptor->HandleNewConnection(&handed);
  });
}

Server::~Server() { shutdown(); }

int Server::port() const { return impl_->port.port(); }

ListeningPort::Counts Server::connections() const { return impl_->port.counts(); }

void Server::set_serving(bool serving) { impl_->server->GetHealthCheckService()->SetServingStatus(serving); }

void Server::shutdown() {
  if (!impl_->server) return;
  impl_->port.stop();
  impl_->tail.stop();  // live streams end of themselves, saying why
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace wardlink::storage

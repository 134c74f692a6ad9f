#include "storage/server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "locks/mutex.hpp"
#include "storage/access/call_gate.hpp"
#include "storage/access/guard.hpp"
#include "storage/api/alarm_api.hpp"
#include "storage/api/boot_clock.hpp"
#include "storage/api/ingest_api.hpp"
#include "storage/api/registry_api.hpp"
#include "storage/api/vitals_api.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

std::shared_ptr<grpc::ServerCredentials> credentials(const ServerCredentials& shown) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = shown.authority;
  options.pem_key_cert_pairs.push_back({shown.key, shown.certificate});
  return grpc::SslServerCredentials(options);
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

bool for_ingest(const Server::Config& config) { return config.serves == Server::Serves::ingest; }

/// What all of them together may take. A call holds a thread while it runs: each that is let in has one, and the others
/// one for as long as it takes to tell them so. A flood ends in RESOURCE_EXHAUSTED, not in a dead process.
void limit_process(grpc::ResourceQuota& quota, const Server::Config& config) {
  constexpr std::size_t for_the_rest = 64;
  const auto calls = for_ingest(config) ? config.ingest_streams : Guard::most_calls;
  quota.SetMaxThreads(static_cast<int>(calls + for_the_rest));
  quota.Resize(256 * 1024 * 1024);
}

/// What serves under one set of credentials, which gRPC fixes when a server is made. So new ones need a new server: it
/// takes the connections that come from then on, with the same services behind it, and nobody is disconnected.
struct Generation {
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;

  void take(int connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters handed;
    handed.fd = connection;
    acceptor->HandleNewConnection(&handed);
  }
  void shutdown(std::chrono::milliseconds patience) {
    if (!server) return;
    server->Shutdown(std::chrono::system_clock::now() + patience);
    server->Wait();
    server.reset();
  }
  ~Generation() { shutdown(std::chrono::milliseconds(0)); }
};

/// Stands on the API's port for an ingest whose settings still name it.
class IngestElsewhere final : public v1::IngestService::Service {
 public:
  explicit IngestElsewhere(Guard& guard) : guard_(guard) {}

 private:
  grpc::Status Ingest(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>*) override {
    return answered([&] {
      guard_.turn_away(
          *context, "IngestService.Ingest",
          {grpc::StatusCode::FAILED_PRECONDITION,
           "this port answers people; streams from ingest go to the one of --serve ingest, 50052 by default"});
    });
  }

  Guard& guard_;
};

/// A call of reflection: no code of ours stands in front of it, and its streams hold a thread each, like others. Where
/// there are too many it is cancelled.
class Reflection final : public grpc::experimental::Interceptor {
 public:
  Reflection(Guard& guard, grpc::ServerContextBase& context) : guard_(guard), context_(context) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      try {
        place_.emplace(guard_.admit_foreign(context_));
      } catch (const std::exception&) {
        context_.TryCancel();
      }
    }
    methods->Proceed();  // the call may end in it, and this with it
  }

 private:
  Guard& guard_;
  grpc::ServerContextBase& context_;
  std::optional<CallsInProgress::Call> place_;  // for as long as the call lasts
};

struct ReflectionCalls final : grpc::experimental::ServerInterceptorFactoryInterface {
  explicit ReflectionCalls(Guard& all) : guard(all) {}
  /// gRPC owns it.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    const std::string_view method = call->method();
    return method.starts_with("/grpc.reflection.") ? new Reflection(guard, *call->server_context()) : nullptr;
  }
  Guard& guard;
};

/// What people and their programs ask.
struct Api {
  LiveTail tail;
  WatchService watch;
  VitalsApi vitals;
  AlarmApi alarms;
  DeviceApi devices;
  PatientApi patients;
  IngestElsewhere ingest;

  Api(const Server::Config& config, RecordStore& records, RegistryStore& registry, LiveStore& live,
      CalendarWatch& calendar, Guard& guard, Tallies& tallies)
      : tail(live, config.live),
        watch(live, tail, guard, tallies),
        vitals(records, guard, watch),
        alarms(records, guard, watch),
        devices(registry, calendar, guard),
        patients(registry, calendar, guard),
        ingest(guard) {}
};

}  // namespace

struct Server::Impl {
  Impl(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access, LiveStore& live)
      : gate(std::make_shared<CallGate>(config.calls_per_second,
                                        [this](const std::string& peer) { port.hang_up(peer); })),
        guard(access, config.grant_recheck, config.calls_at_once, gate, config.calendar),
        calendar(records, config.host, boot_time),
        limits(config),
        port(config.address, config.limits) {
    limit_process(quota, config);
    if (for_ingest(config)) {
      ingest.emplace(records, calendar, guard, tallies, config.ingest_streams);
    } else {
      api.emplace(config, records, registry, live, calendar, guard, tallies);
    }
  }

  std::vector<grpc::Service*> services() {
    if (ingest) return {&*ingest};
    return {&api->vitals, &api->alarms, &api->devices, &api->patients, &api->ingest};
  }

  std::shared_ptr<Generation> make(const ServerCredentials& shown) {
    grpc::ServerBuilder builder;
    limit_connections(builder, limits);
    builder.SetResourceQuota(quota);
    auto made = std::make_shared<Generation>();
    made->acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials(shown));
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(std::make_unique<ReflectionCalls>(guard));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    for (grpc::Service* service : services()) builder.RegisterService(service);
    made->server = builder.BuildAndStart();
    if (!made->server) throw ListenError("The certificate and its key do not fit each other, or cannot be used.");
    made->server->GetHealthCheckService()->SetServingStatus(serving);
    return made;
  }

  Tallies tallies;
  const std::shared_ptr<CallGate> gate;
  Guard guard;
  CalendarWatch calendar;
  std::optional<IngestApi> ingest;  // one of the two
  std::optional<Api> api;
  const Config limits;
  grpc::ResourceQuota quota{"wardlink-storage"};
  std::atomic<bool> serving = true;
  locks::Mutex changing;
  std::vector<std::shared_ptr<Generation>> generations GUARDED_BY(changing);  // newest last; a connection holds its own
  ListeningPort port;
};

Server::Server(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access,
               LiveStore& live)
    : impl_(std::make_unique<Impl>(config, records, registry, access, live)) {
  grpc::EnableDefaultHealthCheckService(true);
  // Its streams hold threads: not beside what takes the records.
  if (!for_ingest(config)) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  impl_->generations.push_back(impl_->make(config.credentials));
  impl_->port.start([this](int connection) -> std::shared_ptr<void> {
    const locks::Lock lock(impl_->changing);
    impl_->generations.back()->take(connection);
    return impl_->generations.back();
  });
}

Server::~Server() { shutdown(); }

int Server::port() const { return impl_->port.port(); }

ListeningPort::Counts Server::connections() const { return impl_->port.counts(); }

Server::Stats Server::stats() const {
  const locks::Lock lock(impl_->changing);
  return {impl_->tallies.counts(),    impl_->port.counts(),      impl_->guard.refused(), impl_->gate->rationed(),
          impl_->guard.crowded_out(), impl_->generations.size(), impl_->serving,         impl_->calendar.first_seen()};
}

void Server::renew(const ServerCredentials& credentials) {
  auto made = impl_->make(credentials);
  const locks::Lock lock(impl_->changing);
  impl_->generations.push_back(std::move(made));
}

void Server::look_at_calendar() { impl_->calendar.look(); }

void Server::let_go() {
  std::vector<std::shared_ptr<Generation>> unused;  // ends after the lock: calls may still be running
  const locks::Lock lock(impl_->changing);
  auto& all = impl_->generations;
  const auto used = std::stable_partition(all.begin(), all.end() - 1, [](auto& one) { return one.use_count() == 1; });
  unused.assign(std::move_iterator(all.begin()), std::move_iterator(used));
  all.erase(all.begin(), used);
}

void Server::set_serving(bool serving) {
  impl_->serving = serving;
  const locks::Lock lock(impl_->changing);
  for (const auto& one : impl_->generations) one->server->GetHealthCheckService()->SetServingStatus(serving);
}

void Server::shutdown() {
  impl_->port.stop();
  if (impl_->api) impl_->api->tail.stop();  // live streams end of themselves, saying why
  std::vector<std::shared_ptr<Generation>> ending;
  {
    const locks::Lock lock(impl_->changing);
    ending = impl_->generations;
  }
  for (const auto& one : ending) one->shutdown(impl_->limits.farewell);
  const locks::Lock lock(impl_->changing);
  impl_->generations.clear();
}

}  // namespace wardlink::storage

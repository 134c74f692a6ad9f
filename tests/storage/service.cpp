#include "service.hpp"

#include <openssl/crypto.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "places.hpp"

namespace wardlink::storage::test {
namespace {

const std::string script = places::source("certs/make-pki");

Server::Config config(Server::Serves serves, const std::function<void(Server::Config&)>& change) {
  Server::Config config;
  config.serves = serves;
  config.address = "127.0.0.1:0";
  config.credentials.certificate = pki().pem("storage.pem");
  config.credentials.key = pki().pem("storage.key");
  config.credentials.authority = pki().pem("service-ca.pem");
  if (serves == Server::Serves::api) config.credentials.authority += pki().pem("people-ca.pem");
  config.live.begin = std::chrono::minutes(1);
  if (change) change(config);
  return config;
}

/// gRPC's threads run on while the process ends. OpenSSL at its own end forgets where it kept what belongs to them, and
/// LeakSanitizer, which asks later, takes it for lost: so OpenSSL does not clean up.
[[maybe_unused]] const int openssl_stays = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);

}  // namespace

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().empty()) throw std::runtime_error("nothing in " + path);
  return text.str();
}

Pki::Pki() {
  std::string name = "/tmp/wardlink-test-pki.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in /tmp");
  folder_ = name;
  run({script, "init", folder_});
}

Pki::~Pki() { std::filesystem::remove_all(folder_); }

std::string Pki::pem(const std::string& name) const { return text_of(folder_ + "/" + name); }

void Pki::add_client(const std::string& name, const std::vector<std::string>& options) const {
  std::vector<std::string> command = {script, "client", folder_, name};
  command.insert(command.end(), options.begin(), options.end());
  run(command);
}

void Pki::add_service(const std::string& name) const { run({script, "service", folder_, name}); }

const Pki& pki() {
  static const Pki shared;
  return shared;
}

Service::Service(const std::string& connection, const std::function<void(Server::Config&)>& change, LiveStore* live)
    : store({.connection = connection}),
      server(config(Server::Serves::api, change), store, store, store, live != nullptr ? *live : store),
      ingest(config(Server::Serves::ingest, change), store, store, store, store) {}

std::shared_ptr<grpc::Channel> Service::channel(const std::string& certificate, const Pki& from) const {
  return channel_to(certificate == "ingest-client" ? ingest.port() : server.port(), certificate, from);
}

std::shared_ptr<grpc::Channel> Service::channel_to(int port, const std::string& certificate, const Pki& from) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = pki().pem("service-ca.pem");
  if (!certificate.empty()) {
    options.pem_cert_chain = from.pem(certificate + ".pem");
    options.pem_private_key = from.pem(certificate + ".key");
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel("localhost:" + std::to_string(port), grpc::SslCredentials(options), arguments);
}

IngestTalk::IngestTalk(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::IngestService::NewStub(channel)), stream_(stub_->Ingest(&context_)) {
  v1::IngestRequest request;
  request.mutable_stamp_request()->set_number(stamp);
  if (send(request)) hear();
}

IngestTalk::~IngestTalk() {
  if (finished_) return;
  context_.TryCancel();
  stream_->Finish();
}

v1::IngestResponse IngestTalk::hear() {
  v1::IngestResponse response;
  stream_->Read(&response);
  return response;
}

v1::AttachResult IngestTalk::attach(std::uint64_t session, const std::string& device, std::uint64_t boot,
                                    std::int64_t anchor_seconds) {
  v1::IngestRequest request;
  request.mutable_attach()->set_session(session);
  request.mutable_attach()->set_device(device);
  request.mutable_attach()->set_boot(boot);
  request.mutable_attach()->set_stamp(stamp);
  sessions_[session] = boots_[boot] = anchor_seconds;
  send(request);
  return hear().attach_result();
}

v1::AppendResult IngestTalk::append(const v1::Append& append) {
  v1::IngestRequest request;
  *request.mutable_append() = append;
  request.mutable_append()->set_stamp(stamp);
  for (auto& record : *request.mutable_append()->mutable_records()) {
    const auto boot = boots_.find(record.boot());
    const auto anchor = boot != boots_.end() ? boot->second : sessions_[record.session()];
    record.set_tick_ms(tick(anchor, record.tick_ms()));
  }
  send(request);
  return hear().append_result();
}

grpc::Status IngestTalk::finish() {
  finished_ = true;
  stream_->WritesDone();
  return stream_->Finish();
}

void add_set(v1::Append& batch, std::uint64_t session, std::uint64_t sequence, std::uint64_t tick_ms, double value,
             std::uint32_t sign) {
  auto& record = *batch.add_records();
  record.set_session(session);
  record.set_stream(v1::STREAM_VITALS);
  record.set_sequence(sequence);
  record.set_tick_ms(tick_ms);
  record.mutable_signs()->add_sign(sign);
  record.mutable_signs()->add_value(value);
  record.mutable_signs()->add_quality(0);
}

void add_alarm(v1::Append& batch, std::uint64_t session, std::uint64_t sequence, std::uint64_t tick_ms,
               const std::string& code, v1::AlarmFact::Event event, std::uint64_t onset) {
  auto& record = *batch.add_records();
  record.set_session(session);
  record.set_stream(v1::STREAM_ALARMS);
  record.set_sequence(sequence);
  record.set_tick_ms(tick_ms);
  auto& alarm = *record.mutable_alarm();
  alarm.set_event(event);
  alarm.set_kind(v1::ALARM_KIND_PHYSIOLOGICAL);
  alarm.set_priority(v1::ALARM_PRIORITY_HIGH);
  alarm.set_code(code);
  alarm.set_sign(1);
  alarm.set_limit(130);
  alarm.set_onset_sequence(onset);
}

}  // namespace wardlink::storage::test

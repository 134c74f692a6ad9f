#include "scripted_server.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "client/run.hpp"
#include "places.hpp"

namespace wardlink::command_line {
namespace {

template <class Request, class Response>
grpc::Status answer(const Script<Request, Response>& script, const Request* request, Response* response) {
  return script ? script(*request, *response) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not scripted");
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class HeardText : public std::stringbuf {
 public:
  explicit HeardText(const Heard& heard) : heard_(heard) {}

 private:
  int sync() override {
    if (heard_) heard_(str());
    return 0;
  }
  const Heard& heard_;
};

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "wardlink-client-test.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::write(const std::string& name, const std::string& text) const {
  const auto file = path_ / name;
  std::ofstream(file) << text;
  return file.string();
}

using Context = grpc::ServerContext;

grpc::Status ScriptedVitals::GetLatest(Context*, const v1::GetLatestRequest* q, v1::GetLatestResponse* a) {
  return answer(latest, q, a);
}
grpc::Status ScriptedVitals::ListReadings(Context*, const v1::ListReadingsRequest* q, v1::ListReadingsResponse* a) {
  return answer(readings, q, a);
}
grpc::Status ScriptedVitals::AggregateReadings(Context*, const v1::AggregateReadingsRequest* q,
                                               v1::AggregateReadingsResponse* a) {
  return answer(aggregates, q, a);
}
grpc::Status ScriptedVitals::Watch(Context* c, const v1::WatchRequest* q, grpc::ServerWriter<v1::WatchResponse>* a) {
  {
    const std::lock_guard lock(mutex_);
    watchers_.push_back(c->peer());
  }
  return watch ? watch(*q, *a) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not scripted");
}
std::vector<std::string> ScriptedVitals::watchers() {
  const std::lock_guard lock(mutex_);
  return watchers_;
}
grpc::Status ScriptedAlarms::Watch(Context*, const v1::WatchRequest* q, grpc::ServerWriter<v1::WatchResponse>* a) {
  return watch ? watch(*q, *a) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not scripted");
}
grpc::Status ScriptedAlarms::Acknowledge(Context*, const v1::AcknowledgeRequest* q, v1::AcknowledgeResponse* a) {
  return answer(acknowledge, q, a);
}
grpc::Status ScriptedAlarms::CloseAlarms(Context*, const v1::CloseAlarmsRequest* q, v1::CloseAlarmsResponse* a) {
  return answer(close, q, a);
}
grpc::Status ScriptedAlarms::ListAlarms(Context*, const v1::ListAlarmsRequest* q, v1::ListAlarmsResponse* a) {
  return answer(alarms, q, a);
}
grpc::Status ScriptedAlarms::ListSystemAlarms(Context*, const v1::ListSystemAlarmsRequest* q,
                                              v1::ListSystemAlarmsResponse* a) {
  return answer(system_alarms, q, a);
}
grpc::Status ScriptedAlarms::ListQuarantine(Context*, const v1::ListQuarantineRequest* q,
                                            v1::ListQuarantineResponse* a) {
  return answer(quarantine, q, a);
}
grpc::Status ScriptedAlarms::ListUnattributed(Context*, const v1::ListUnattributedRequest* q,
                                              v1::ListUnattributedResponse* a) {
  return answer(unattributed, q, a);
}
grpc::Status ScriptedAlarms::Settle(Context*, const v1::SettleRequest* q, v1::SettleResponse* a) {
  return answer(settle, q, a);
}
grpc::Status ScriptedPatients::CreatePatient(Context*, const v1::CreatePatientRequest* q, v1::Patient* a) {
  return answer(create, q, a);
}
grpc::Status ScriptedPatients::ListPatients(Context*, const v1::ListPatientsRequest* q, v1::ListPatientsResponse* a) {
  return answer(list, q, a);
}
grpc::Status ScriptedPatients::GetPatient(Context*, const v1::GetPatientRequest* q, v1::Patient* a) {
  return answer(get, q, a);
}
grpc::Status ScriptedPatients::DischargePatient(Context*, const v1::DischargePatientRequest* q, v1::Discharge* a) {
  return answer(discharge, q, a);
}
grpc::Status ScriptedVitals::GetWaveform(Context*, const v1::GetWaveformRequest* request,
                                         grpc::ServerWriter<v1::WaveformRun>* stream) {
  if (!waveform) return {grpc::StatusCode::UNIMPLEMENTED, "not scripted"};
  std::vector<v1::WaveformRun> runs;
  const auto status = waveform(*request, runs);
  for (const auto& run : runs) stream->Write(run);
  return status;
}
grpc::Status ScriptedDevices::CreateDevice(Context*, const v1::CreateDeviceRequest* q, v1::Device* a) {
  return answer(create, q, a);
}
grpc::Status ScriptedDevices::ListDevices(Context*, const v1::ListDevicesRequest* q, v1::ListDevicesResponse* a) {
  return answer(list, q, a);
}
grpc::Status ScriptedDevices::GetDeviceClock(Context*, const v1::GetDeviceClockRequest* q, v1::DeviceClock* a) {
  return answer(clock, q, a);
}
grpc::Status ScriptedDevices::AssignDevice(Context*, const v1::AssignDeviceRequest* q, v1::Assignment* a) {
  return answer(assign, q, a);
}
grpc::Status ScriptedDevices::ReleaseDevice(Context*, const v1::ReleaseDeviceRequest* q, v1::Assignment* a) {
  return answer(release, q, a);
}

Answer run_client(const std::vector<std::string>& arguments, const Heard& heard) {
  std::vector<const char*> argv{"wardlink"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  HeardText text(heard);
  std::ostream out(&text);
  std::ostringstream err;
  const int code = run(static_cast<int>(argv.size()), argv.data(), out, err, noon());
  return {code, text.str(), err.str()};
}

Instant noon() { return *parse_time("2026-03-01T12:00:00Z", {}); }

google::protobuf::Timestamp before_noon(std::int64_t seconds) {
  return to_proto(noon() - std::chrono::seconds{seconds});
}

ClientTest::ClientTest() {
  for (const char* name : {"WARDLINK_SERVER", "WARDLINK_CERT", "WARDLINK_KEY", "WARDLINK_CA"}) ::unsetenv(name);
  const std::string make =
      "'" + places::source("certs/make-pki") + "' init '" + (scratch_.path() / "pki").string() + "'";
  if (std::system(make.c_str()) != 0) throw std::runtime_error("no PKI");
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = read(pki("people-ca.pem"));
  tls.pem_key_cert_pairs.push_back({read(pki("storage.key")), read(pki("storage.pem"))});
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port_);
  builder.RegisterService(&vitals_).RegisterService(&alarms_).RegisterService(&patients_).RegisterService(&devices_);
  server_ = builder.BuildAndStart();
}

ClientTest::~ClientTest() { server_->Shutdown(std::chrono::system_clock::now()); }

client::ConnectionOptions ClientTest::connection_options() const {
  return {.server = address(),
          .certificate = client::Pem::file(pki("clients/admin.pem")),
          .key = client::Pem::file(pki("clients/admin.key")),
          .authority = client::Pem::file(pki("service-ca.pem")),
          .timeout = std::chrono::minutes(1)};
}

Answer ClientTest::ask(std::vector<std::string> arguments, const Heard& heard) const {
  const std::vector<std::string> connection{"--server", address(),
                                            "--cert",   pki("clients/admin.pem"),
                                            "--key",    pki("clients/admin.key"),
                                            "--ca",     pki("service-ca.pem"),
                                            "--utc"};
  if (std::ranges::find(arguments, "--timeout") == arguments.end())
    arguments.insert(arguments.end(), {"--timeout", "60"});
  arguments.insert(arguments.begin(), connection.begin(), connection.end());
  return run_client(arguments, heard);
}

}  // namespace wardlink::command_line

#pragma once
// A server whose answers a test writes, behind real mutual TLS on a port that the kernel picks.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/time_text.hpp"
#include "wardlink/client/connection.hpp"
#include "wardlink/v1/registry.grpc.pb.h"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {

/// A folder of one's own, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }
  /// Writes a file into it and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

/// Each call is a function that the test may set; those that it does not answer UNIMPLEMENTED.
template <class Request, class Response>
using Script = std::function<grpc::Status(const Request&, Response&)>;
using WatchScript = std::function<grpc::Status(const v1::WatchRequest&, grpc::ServerWriter<v1::WatchResponse>&)>;

struct ScriptedVitals : v1::VitalsService::Service {
  Script<v1::GetLatestRequest, v1::GetLatestResponse> latest;
  Script<v1::ListReadingsRequest, v1::ListReadingsResponse> readings;
  Script<v1::AggregateReadingsRequest, v1::AggregateReadingsResponse> aggregates;
  WatchScript watch;
  /// The peer of each Watch so far, with its port.
  std::vector<std::string> watchers();
  std::function<grpc::Status(const v1::GetWaveformRequest&, std::vector<v1::WaveformRun>&)> waveform;
  grpc::Status GetWaveform(grpc::ServerContext*, const v1::GetWaveformRequest*,
                           grpc::ServerWriter<v1::WaveformRun>*) override;
  grpc::Status GetLatest(grpc::ServerContext*, const v1::GetLatestRequest*, v1::GetLatestResponse*) override;
  grpc::Status ListReadings(grpc::ServerContext*, const v1::ListReadingsRequest*, v1::ListReadingsResponse*) override;
  grpc::Status AggregateReadings(grpc::ServerContext*, const v1::AggregateReadingsRequest*,
                                 v1::AggregateReadingsResponse*) override;
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*, grpc::ServerWriter<v1::WatchResponse>*) override;

 private:
  std::mutex mutex_;
  std::vector<std::string> watchers_;
};

struct ScriptedAlarms : v1::AlarmService::Service {
  Script<v1::ListAlarmsRequest, v1::ListAlarmsResponse> alarms;
  Script<v1::ListSystemAlarmsRequest, v1::ListSystemAlarmsResponse> system_alarms;
  Script<v1::ListQuarantineRequest, v1::ListQuarantineResponse> quarantine;
  Script<v1::ListUnattributedRequest, v1::ListUnattributedResponse> unattributed;
  Script<v1::SettleRequest, v1::SettleResponse> settle;
  Script<v1::AcknowledgeRequest, v1::AcknowledgeResponse> acknowledge;
  Script<v1::CloseAlarmsRequest, v1::CloseAlarmsResponse> close;
  WatchScript watch;
  grpc::Status ListAlarms(grpc::ServerContext*, const v1::ListAlarmsRequest*, v1::ListAlarmsResponse*) override;
  grpc::Status ListSystemAlarms(grpc::ServerContext*, const v1::ListSystemAlarmsRequest*,
                                v1::ListSystemAlarmsResponse*) override;
  grpc::Status ListQuarantine(grpc::ServerContext*, const v1::ListQuarantineRequest*,
                              v1::ListQuarantineResponse*) override;
  grpc::Status ListUnattributed(grpc::ServerContext*, const v1::ListUnattributedRequest*,
                                v1::ListUnattributedResponse*) override;
  grpc::Status Settle(grpc::ServerContext*, const v1::SettleRequest*, v1::SettleResponse*) override;
  grpc::Status Acknowledge(grpc::ServerContext*, const v1::AcknowledgeRequest*, v1::AcknowledgeResponse*) override;
  grpc::Status CloseAlarms(grpc::ServerContext*, const v1::CloseAlarmsRequest*, v1::CloseAlarmsResponse*) override;
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*, grpc::ServerWriter<v1::WatchResponse>*) override;
};

struct ScriptedPatients : v1::PatientService::Service {
  Script<v1::CreatePatientRequest, v1::Patient> create;
  Script<v1::ListPatientsRequest, v1::ListPatientsResponse> list;
  Script<v1::GetPatientRequest, v1::Patient> get;
  Script<v1::DischargePatientRequest, v1::Discharge> discharge;
  grpc::Status CreatePatient(grpc::ServerContext*, const v1::CreatePatientRequest*, v1::Patient*) override;
  grpc::Status ListPatients(grpc::ServerContext*, const v1::ListPatientsRequest*, v1::ListPatientsResponse*) override;
  grpc::Status GetPatient(grpc::ServerContext*, const v1::GetPatientRequest*, v1::Patient*) override;
  grpc::Status DischargePatient(grpc::ServerContext*, const v1::DischargePatientRequest*, v1::Discharge*) override;
};

struct ScriptedDevices : v1::DeviceService::Service {
  Script<v1::CreateDeviceRequest, v1::Device> create;
  Script<v1::ListDevicesRequest, v1::ListDevicesResponse> list;
  Script<v1::GetDeviceClockRequest, v1::DeviceClock> clock;
  Script<v1::AssignDeviceRequest, v1::Assignment> assign;
  Script<v1::ReleaseDeviceRequest, v1::Assignment> release;
  grpc::Status CreateDevice(grpc::ServerContext*, const v1::CreateDeviceRequest*, v1::Device*) override;
  grpc::Status ListDevices(grpc::ServerContext*, const v1::ListDevicesRequest*, v1::ListDevicesResponse*) override;
  grpc::Status GetDeviceClock(grpc::ServerContext*, const v1::GetDeviceClockRequest*, v1::DeviceClock*) override;
  grpc::Status AssignDevice(grpc::ServerContext*, const v1::AssignDeviceRequest*, v1::Assignment*) override;
  grpc::Status ReleaseDevice(grpc::ServerContext*, const v1::ReleaseDeviceRequest*, v1::Assignment*) override;
};

struct Answer {
  int code = -1;
  std::string out, err;
};

/// What the shell would get from `wardlink arguments…` at `noon()`. `heard` is told all that has been said so far, each
/// time that the client flushes it, on the client's thread.
using Heard = std::function<void(const std::string& out)>;
Answer run_client(const std::vector<std::string>& arguments, const Heard& heard = {});

/// 2026-03-01T12:00:00Z, the instant at which the tests' commands begin.
Instant noon();
google::protobuf::Timestamp before_noon(std::int64_t seconds);

/// The server with a PKI of its own, made by certs/make-pki.
class ClientTest : public testing::Test {
 protected:
  ClientTest();
  ~ClientTest() override;
  /// run_client with --server --cert --key --ca --utc in front.
  Answer ask(std::vector<std::string> arguments, const Heard& heard = {}) const;
  std::string pki(const std::string& file) const { return (scratch_.path() / "pki" / file).string(); }
  /// An administrator's, for the library.
  client::ConnectionOptions connection_options() const;
  std::string address() const { return "localhost:" + std::to_string(port_); }

  ScratchFolder scratch_;
  ScriptedVitals vitals_;
  ScriptedAlarms alarms_;
  ScriptedPatients patients_;
  ScriptedDevices devices_;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace wardlink::command_line

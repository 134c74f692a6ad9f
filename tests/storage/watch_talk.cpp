#include "watch_talk.hpp"

#include <chrono>

namespace wardlink::storage::test {

WatchTalk::WatchTalk(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request, bool alarms)
    : vitals_(v1::VitalsService::NewStub(channel)), alarms_(v1::AlarmService::NewStub(channel)) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(10));
  stream_ = alarms ? alarms_->Watch(&context_, request) : vitals_->Watch(&context_, request);
}

WatchTalk::~WatchTalk() {
  if (finished_) return;
  context_.TryCancel();
  finish();
}

std::optional<v1::WatchResponse> WatchTalk::hear() {
  v1::WatchResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  cursor_ = response.cursor();
  return response;
}

std::optional<v1::WatchResponse> WatchTalk::event() {
  while (auto response = hear()) {
    if (!response->has_latest() && !response->has_open_alarm() && !response->has_heartbeat()) return response;
  }
  return std::nullopt;
}

std::vector<v1::WatchResponse> WatchTalk::events(std::size_t count) {
  std::vector<v1::WatchResponse> found;
  while (found.size() < count) {
    auto next = event();
    if (!next) break;
    found.push_back(std::move(*next));
  }
  return found;
}

std::vector<v1::WatchResponse> WatchTalk::present_state() {
  std::vector<v1::WatchResponse> found;
  while (auto response = hear()) {
    if (response->heartbeat().present_state_complete()) break;
    found.push_back(std::move(*response));
  }
  return found;
}

std::vector<v1::WatchResponse> WatchTalk::all_so_far() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  std::vector<v1::WatchResponse> found;
  while (auto response = hear()) {
    if (!response->has_heartbeat()) {
      if (!response->has_latest() && !response->has_open_alarm()) found.push_back(std::move(*response));
      continue;
    }
    const auto& until = response->heartbeat().complete_until();
    if (until.seconds() * 1'000'000 + until.nanos() / 1000 >= micros) break;
  }
  return found;
}

grpc::Status WatchTalk::finish() {
  finished_ = true;
  v1::WatchResponse response;
  while (stream_->Read(&response)) {
  }
  return stream_->Finish();
}

v1::WatchRequest watch_request(const std::string& parent, const std::string& cursor) {
  v1::WatchRequest request;
  request.set_parent(parent);
  request.set_cursor(cursor);
  return request;
}

std::string key_of(const v1::WatchResponse& response) {
  const auto key = [](const std::string& device, std::uint64_t boot, int stream, std::uint64_t sequence) {
    return device.substr(device.rfind('-') + 1) + "/" + std::to_string(boot) + "-" + std::to_string(stream) + "-" +
           std::to_string(sequence);
  };
  switch (response.event_case()) {
    case v1::WatchResponse::kMeasurementSet: {
      const auto& set = response.measurement_set();
      return key(set.device(), set.boot(), set.stream(), set.sequence());
    }
    case v1::WatchResponse::kWaveformRun: {
      const auto& run = response.waveform_run();
      return key(run.device(), run.boot(), run.stream(), run.sequence());
    }
    case v1::WatchResponse::kAlarmEvent: {
      const auto& event = response.alarm_event();
      if (event.change() == v1::AlarmEvent::ACKNOWLEDGED) return "ack " + event.alarm().name();
      return key(event.alarm().device(), event.alarm().boot(), event.stream(), event.sequence());
    }
    case v1::WatchResponse::kAttributionChanged:
      return response.attribution_changed().change() == v1::AttributionChanged::BELIEVED ? "believed" : "withdrawn";
    default:
      return "";
  }
}

std::vector<std::string> keys_of(const std::vector<v1::WatchResponse>& responses) {
  std::vector<std::string> keys;
  for (const auto& response : responses) keys.push_back(key_of(response));
  return keys;
}

}  // namespace wardlink::storage::test

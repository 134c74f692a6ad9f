#pragma once
// A live stream that is listened to message by message.

#include <functional>
#include <memory>
#include <vector>

#include "service.hpp"

namespace wardlink::storage::test {

class WatchTalk {
 public:
  /// VitalsService.Watch; `alarms`: AlarmService.Watch.
  WatchTalk(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request, bool alarms = false);
  ~WatchTalk();

  /// The next response, heartbeats too; nothing when the stream has ended, or after a minute.
  std::optional<v1::WatchResponse> hear();
  /// The next that is neither of the present state nor a heartbeat.
  std::optional<v1::WatchResponse> event();
  std::vector<v1::WatchResponse> events(std::size_t count);
  /// Everything up to the heartbeat that ends the present state.
  std::vector<v1::WatchResponse> present_state();
  /// The events up to a heartbeat which says that everything committed by now has been sent.
  std::vector<v1::WatchResponse> all_so_far();
  /// The cursor of the last response.
  const std::string& cursor() const { return cursor_; }
  /// Its end, once hear() gave nothing.
  grpc::Status finish();
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream_;
  std::unique_ptr<v1::VitalsService::Stub> vitals_;
  std::unique_ptr<v1::AlarmService::Stub> alarms_;
  std::string cursor_;
  bool finished_ = false;
};

/// From a cursor, of a parent; both may be empty.
v1::WatchRequest watch_request(const std::string& parent = "", const std::string& cursor = "");

/// device/boot-stream-sequence of a set, of a run or of an alarm's record; "ack NAME", "attribution" of the others.
std::string key_of(const v1::WatchResponse& response);
std::vector<std::string> keys_of(const std::vector<v1::WatchResponse>& responses);

}  // namespace wardlink::storage::test

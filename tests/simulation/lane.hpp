#pragma once
// One stream to storage, without gRPC and threads: drives the real queue and the real conversions as GrpcLane does.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "clock.hpp"
#include "ingest/sink/lane_queue.hpp"
#include "storage.hpp"

namespace wardlink::simulation {

class Lane {
 public:
  Lane(Clock& clock, Storage& storage, const ingest::LaneQueue::Config& config, ingest::Deliver deliver);
  /// As when its process dies.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void attach(const ingest::Attachment& attachment) { turn_.emplace_back(attachment); }
  void exchanged(ingest::SinkSession session, const ingest::ClockExchange& exchange) {
    turn_.emplace_back(ingest::LaneQueue::Exchange{session, exchange});
  }
  void detach(ingest::SinkSession session) { turn_.emplace_back(session); }
  void append(ingest::Record record) { turn_.emplace_back(std::move(record)); }
  void audit(ingest::AuditEntry entry) { turn_.emplace_back(std::move(entry)); }
  void flush();
  bool connected() const { return stream_ != nullptr; }
  const ingest::LaneQueue& queue() const { return queue_; }

 private:
  using Entry = std::variant<ingest::Attachment, ingest::LaneQueue::Exchange, ingest::SinkSession, ingest::Record,
                             ingest::AuditEntry>;

  void put(ingest::Attachment& attachment);
  void put(ingest::LaneQueue::Exchange& news) { queue_.exchanged(news); }
  void put(ingest::SinkSession& session) { queue_.detach(session); }
  void put(ingest::Record& record);
  void put(ingest::AuditEntry& entry) { queue_.audit(std::move(entry)); }
  void connect();
  void lost();
  void take(const v1::IngestResponse& response);
  void kick();
  void written();
  void pump();

  Clock& clock_;
  Storage& storage_;
  ingest::Deliver deliver_;
  ingest::LaneQueue::Config config_;
  ingest::LaneQueue queue_;
  std::vector<Entry> turn_;  // put in since the last flush()
  std::shared_ptr<StorageStream> stream_;
  bool first_answer_ = false;
  bool kicked_ = false;
  bool writing_ = false;
  coap::Duration backoff_ = std::chrono::milliseconds{100};
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  Timer timer_, written_, retry_;
};

/// Both lanes of a shard.
class LaneSink final : public ingest::RecordSink {
 public:
  /// Told of each record that is put into a lane, with the device and boot of its session.
  using Reached = std::function<void(const std::string& device, std::uint64_t boot, const ingest::Record&)>;
  /// Told of each exchange of a clock.
  using Exchanged = std::function<void(const std::string& device, std::uint64_t boot, const ingest::ClockExchange&)>;

  LaneSink(Clock& clock, Storage& storage, ingest::Deliver deliver, bool narrow, Reached reached, Exchanged exchanged);

  void attach(const ingest::Attachment& attachment) override;
  void exchanged(ingest::SinkSession session, const ingest::ClockExchange& exchange) override;
  void detach(ingest::SinkSession session) override;
  void append(ingest::Record record) override;
  void audit(ingest::AuditEntry entry) override;
  void flush() override;
  std::optional<ingest::WallTime> calendar(coap::Instant now) const override;
  bool connected(ingest::Lane lane) const override;

  const ingest::LaneQueue& readings() const { return readings_.queue(); }
  const ingest::LaneQueue& alarms() const { return alarms_.queue(); }

 private:
  Lane readings_, alarms_;
  Reached reached_;
  Exchanged exchanged_;
  std::map<ingest::SinkSession, std::pair<std::string, std::uint64_t>> attached_;
};

}  // namespace wardlink::simulation

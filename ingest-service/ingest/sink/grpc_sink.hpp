#pragma once
// The record sink's real tenant: two streams to storage over mutual-TLS gRPC, one for readings, one for alarms on a
// connection of its own, so that nothing queues ahead of an alarm.

#include <memory>
#include <string>
#include <utility>

#include "ingest/sink/grpc_lane.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// PEM texts; the authority that signed storage's certificate is the only one trusted.
struct StorageCredentials {
  std::string certificate_pem;
  std::string private_key_pem;
  std::string trusted_ca_pem;
};

class GrpcSink final : public RecordSink {
 public:
  struct Config {
    std::string storage;  // host:port
    StorageCredentials credentials;
    std::size_t readings_capacity = 65'536;  // then the oldest vitals are shed
    std::size_t alarms_capacity = 262'144;  // sessions × 1,024 and at most so many; then refused: the device owes them
    coap::Duration refused_backoff = GrpcLane::Config{}.refused_backoff;
  };
  using Stats = PerLane<GrpcLane::Stats>;

  /// Returns at once; storage may be away. `deliver` is called from the sink's threads and from flush().
  GrpcSink(const Config& config, Deliver deliver, GrpcLane::Notice notice, GrpcLane::Complain complain);

  void attach(const Attachment& attachment) override {
    readings_.attach(attachment);
    alarms_.attach(attachment);
  }
  void exchanged(SinkSession session, const ClockExchange& exchange) override {
    readings_.exchanged(session, exchange);
    alarms_.exchanged(session, exchange);
  }
  void detach(SinkSession session) override {
    readings_.detach(session);
    alarms_.detach(session);
  }
  void append(Record record) override {
    (lane_of(record.fact) == Lane::alarms ? alarms_ : readings_).append(std::move(record));
  }
  void audit(AuditEntry entry) override { readings_.audit(std::move(entry)); }
  void flush() override {
    alarms_.flush();
    readings_.flush();
  }
  /// As the stream of readings says, which is asked the more often.
  std::optional<WallTime> calendar(coap::Instant now) const override { return readings_.calendar(now); }
  bool connected(Lane lane) const override { return (lane == Lane::alarms ? alarms_ : readings_).connected(); }

  /// For the next connections. Any thread, one at a time.
  void renew(const StorageCredentials& credentials);
  /// The end: waits until everything is answered, or the time is up: then false. Blocks: not for the shard's thread.
  bool drain(std::chrono::milliseconds patience);
  /// Any thread.
  Stats stats() const;

 private:
  Config config_;
  GrpcLane readings_;
  GrpcLane alarms_;
};

}  // namespace wardlink::ingest

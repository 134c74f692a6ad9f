#pragma once
// The seam between a shard and storage. Tenants: GrpcSink (grpc_sink.hpp), and in tests one in memory and one that
// fails.
//
// A shard gives; what became of it comes back as events, through the Deliver callback that the tenant was made with.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ingest/payload/record.hpp"

namespace wardlink::ingest {

/// A way to storage: a queue, a gRPC stream and a connection of its own, so that nothing queues ahead of an alarm.
enum class Lane : std::uint8_t { readings, alarms };
/// "readings", "alarms"
const char* to_string(Lane lane);
/// Something of each lane.
template <class T>
struct PerLane {
  T readings{}, alarms{};
  T& operator[](Lane lane) { return lane == Lane::alarms ? alarms : readings; }
};
inline Lane lane_of(const Fact& fact) { return is_alarm(fact) ? Lane::alarms : Lane::readings; }

/// What is known of a device's clock: at that instant its tick was `tick_ms`, give or take the uncertainty.
struct ClockExchange {
  std::uint64_t tick_ms = 0;  // below 2^54
  coap::Instant at{};
  coap::Duration uncertainty{};
  friend bool operator==(const ClockExchange&, const ClockExchange&) = default;
};

/// Who a session is: told to storage before its first record.
struct Attachment {
  SinkSession session;
  std::string device;                     // URN of the session's certificate
  std::uint64_t boot = 0;                 // below 2^53
  std::optional<ClockExchange> exchange;  // empty: its ticks are the calendar's, ms since 1970-01-01 UTC
  /// When the device registered in this session; empty: what is posted without keys, which is no start of the device.
  std::optional<coap::Instant> registered_at{};
};

/// A line of the audit log. No payload, no vital sign.
struct AuditEntry {
  std::string subject;  // the peer's URN where it is known
  std::string action;   // handshake, register, notify, quarantine, post
  bool granted = false;
  std::string reason;
  std::string address;  // for tracing, never an identity
  std::uint64_t count = 1;
};

enum class RecordResult : std::uint8_t {
  committed,    // its row is durable
  duplicate,    // the same record was durable already
  quarantined,  // durable in quarantine
  shed,         // dropped here for want of room, and counted: never an alarm record
  refused,      // an alarm record for which there was no room: not taken, so the device still owes it
  superseded,   // an alarm record of a session that has ended, and whose device is back: it owes it in the new one
};
constexpr const char* to_string(RecordResult result) {
  switch (result) {
    case RecordResult::committed:
      return "committed";
    case RecordResult::duplicate:
      return "duplicate";
    case RecordResult::quarantined:
      return "quarantined";
    case RecordResult::shed:
      return "shed";
    case RecordResult::refused:
      return "refused";
    case RecordResult::superseded:
      return "superseded";
  }
  return "";
}

/// Whether storage holds it: then its ACK may leave.
constexpr bool is_durable(RecordResult result) {
  switch (result) {
    case RecordResult::committed:
    case RecordResult::duplicate:
    case RecordResult::quarantined:
      return true;
    case RecordResult::shed:
    case RecordResult::refused:
    case RecordResult::superseded:
      return false;
  }
  return false;
}

/// What became of one record. Comes exactly once for each append(), unless the sink is stopped first; what is shed,
/// refused or superseded at once comes during flush().
struct RecordAnswered {
  SinkSession session;
  Ticket ticket;
  Stream stream;
  RecordResult result;
};

/// Storage answers again after it was away (or for the first time).
struct StorageBack {
  Lane lane;
};

using SinkEvent = std::variant<RecordAnswered, StorageBack>;

/// Hands events over to the shard's thread: called from any thread, also within flush(), so it must neither block nor
/// call the shard. In products it posts to the loop.
using Deliver = std::function<void(std::vector<SinkEvent>)>;

/// One shard's way to storage. Called on the shard's thread only; never blocks, never throws, bounded in memory.
///
/// What is put in goes on its way with the next flush(), in order. The shard flushes once a turn: when it has taken
/// what arrived and has no datagram left to send.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// Before the session's first record.
  virtual void attach(const Attachment& attachment) = 0;
  /// More is known of the clock of a session's device; a session that is not attached is passed over.
  virtual void exchanged(SinkSession session, const ClockExchange& exchange) = 0;
  /// The session is over. Records of it that are still unanswered stay on their way.
  virtual void detach(SinkSession session) = 0;
  virtual void append(Record record) = 0;
  virtual void audit(AuditEntry entry) = 0;
  /// Hands over what was put in since the last call; nothing happens where that is nothing.
  virtual void flush() = 0;
  /// Storage's calendar, for what devices and people are told. Empty: not known yet.
  virtual std::optional<WallTime> calendar(coap::Instant now) const = 0;
  /// Whether storage is there to take records of that lane now, as far as this end knows.
  virtual bool connected(Lane lane) const = 0;
};

}  // namespace wardlink::ingest

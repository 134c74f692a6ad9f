#pragma once
// What the device sessions of one shard count. Plain numbers, of the shard's thread.

#include <array>
#include <cstdint>

#include "daemon/latency.hpp"
#include "ingest/payload/intake.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// How a POST ended.
enum class PostEnd : std::uint8_t {
  stored,   // 2.04
  refused,  // what its client can mend
  away,     // 5.03
  shed,     // 4.29: readings only
};
constexpr const char* to_string(PostEnd end) {
  switch (end) {
    case PostEnd::stored:
      return "stored";
    case PostEnd::refused:
      return "refused";
    case PostEnd::away:
      return "away";
    case PostEnd::shed:
      return "shed";
  }
  return "";
}

/// Counted by the device sessions of one shard; monotonic, except `held_acks`.
struct SessionStats {
  std::array<std::array<std::uint64_t, 2>, resource_count> notifications{};  // by resource; 0 = NON, 1 = CON
  std::uint64_t stale_notifications = 0;                                     // older than one seen before
  std::array<std::uint64_t, 2> rejected_tokens{};                            // 0 = unknown, 1 = retired
  std::array<std::array<std::uint64_t, count_of<RecordResult>()>, streams.size()> records{};  // by index_of()
  std::array<std::uint64_t, count_of<QuarantineReason>()> quarantined{};
  std::array<std::array<std::uint64_t, count_of<PostEnd>()>, resource_count> posts{};  // by resource
  std::uint64_t registrations = 0, registrations_refused = 0;
  std::uint64_t clock_exchanges = 0, clock_exchanges_refused = 0;
  std::uint64_t clocks_doubted = 0;  // ticks contradicted the exchange
  std::uint64_t observations = 0, observations_ended = 0;
  std::uint64_t held_acks = 0;        // now
  daemon::Latency alarm_ack;          // from an alarm notification's arrival to its ACK
  std::uint64_t alarms_refused = 0;   // alarm records beyond what may wait of one session
  std::uint64_t alarms_declined = 0;  // notifications that were not acknowledged for want of room: they come again
  std::uint64_t quarantine_over = 0;  // quarantined payloads beyond a session's allowance: dropped
};

void add(SessionStats& sum, const SessionStats& stats);

}  // namespace wardlink::ingest

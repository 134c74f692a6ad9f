#pragma once
// The POSTs of one session: each is answered when what it brought is durable, or when it will not be. Until then its
// answer is held; an empty ACK goes first where that takes long (RFC 7252 §5.2.2), and that one promises nothing.
//
// Readings are turned away before alarms are: an alarm is never answered 4.29.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "coap/connection.hpp"
#include "ingest/payload/post.hpp"
#include "ingest/session/session_stats.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// Sans-I/O. Not thread-safe: the shard's thread owns it.
class Posts {
 public:
  struct Config {
    /// What is not durable after this is answered 5.03.
    coap::Duration patience = std::chrono::seconds{10};
    /// The Max-Age of 5.03 and 4.29: do not come back sooner.
    std::chrono::seconds retry_after{10};
    /// POSTs of readings that may be held; beyond it 4.29. Fewer than a connection holds (32): alarms have the rest.
    std::size_t held_readings = 16;
    /// Alarm records of POSTs that may wait for storage; beyond it 5.03.
    std::size_t open_alarms = 64;
    /// Bytes of payload (docs/wire.md, "Transport"); beyond it 4.13.
    std::size_t payload = 1024;
  };

  /// What it writes to; outlives it.
  struct Context {
    RecordSink& sink;
    SessionStats& stats;
    const std::function<Ticket()>& draw_ticket;
    const std::function<std::uint64_t()>& draw_boot;  // 1 to 2^53 − 1
  };
  Posts(SinkSession name, Context context, const Config& config) : name_(name), context_(context), config_(config) {}

  struct Taken {
    std::optional<coap::Response> answer;     // empty: it is held
    std::optional<QuarantineReason> refused;  // for the audit
  };
  /// A POST to a resource. `device`: the URN of the certificate. `registered` as in read_post().
  Taken take(Resource resource, const coap::event::RequestReceived& request, const std::string& device,
             WallTime calendar, bool registered, coap::Instant now);

  struct Answer {
    coap::ExchangeId exchange;
    coap::Response response;
  };
  /// What a result decides; empty = nothing yet, or not one of these.
  std::optional<Answer> settle(Ticket ticket, RecordResult result);
  /// Those whose patience has run out.
  std::vector<Answer> expire(coap::Instant now);
  std::optional<coap::Instant> next_deadline() const;
  /// The session is over.
  void end();

 private:
  struct Held {
    Resource resource;
    std::size_t waits_for;
    coap::Instant until;  // not before that of an earlier one
    std::vector<Ticket> tickets;
    bool conflict = false;  // another record has one's key
  };
  coap::Response try_later(Resource resource, coap::Code code, const char* words);
  coap::Response finish(const Held& held, RecordResult result);
  void count(Resource resource, PostEnd end);
  void forget(coap::ExchangeId exchange);
  void hold(Resource resource, coap::ExchangeId exchange, Post post, coap::Instant now);
  void number_by_hand(Post& post, const std::string& device);

  SinkSession name_;
  Context context_;
  Config config_;
  std::uint64_t by_hand_sequence_ = 0;  // 0: nothing was posted by hand yet, so its boot is not attached
  std::size_t held_readings_ = 0, open_alarms_ = 0;
  std::map<coap::ExchangeId, Held> held_;  // the first is the oldest
  std::unordered_map<Ticket, coap::ExchangeId> waiting_;
};

}  // namespace wardlink::ingest

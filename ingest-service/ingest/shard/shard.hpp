#pragma once
// One thread's share of ingest: a listener, the device sessions behind it, a sink. A driver feeds it datagrams and the
// time. Nothing here locks, except the registry of owners when a session opens or closes.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "coap/listener.hpp"
#include "coap/udp_driver.hpp"
#include "ingest/session/device_session.hpp"
#include "ingest/shard/owners.hpp"
#include "ingest/shard/shard_stats.hpp"

namespace wardlink::ingest {

/// A listener in front of a shard. Of one session: 200 datagrams a second (1,000 at once) are decrypted; of them 20
/// notifications a second (256 at once: what an SDK keeps of readings) and 20 requests (64 at once) are taken, and 64
/// ACKs are held.
coap::Listener::Config listener_config();

class Shard final : public coap::Endpoint {
 public:
  struct Config {
    DeviceSession::Config session = {};
  };
  /// What a shard sees of the thread that it runs on.
  struct Environment {
    Calendar calendar;
    std::function<coap::Instant()> clock;
    std::function<void(std::function<void()>)> post;  // runs work on this shard's thread; from any thread
    std::function<void()> wake;                       // drains this endpoint; on this shard's thread
    std::function<void()> give_back = [] {};          // returns memory that is free to the system
  };

  /// `sink` and `owners` outlive it. Its thread is the one that `environment.post` runs work on.
  Shard(std::unique_ptr<coap::Sessions> sessions, const Config& config, coap::Random random, RecordSink& sink,
        Owners& owners, Environment environment);
  ~Shard() override;
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // -- coap::Endpoint: on the shard's thread
  void handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) override;
  void handle_timeout(coap::Instant now) override;
  /// Empty: this turn is over, and what it brought for storage has been handed over.
  std::optional<coap::Datagram> poll_datagram() override;
  std::optional<coap::Instant> next_deadline() const override;
  std::optional<std::vector<coap::Address>> poll_muted() override { return secure_->poll_muted(); }

  /// What the sink reports. On the shard's thread; wakes the driver.
  void handle_sink(const std::vector<SinkEvent>& events);
  /// Closes a session because a newer one of its device has opened, then runs `done` on this shard's thread. From any
  /// thread.
  void supersede(coap::SessionId session, std::function<void()> done);
  /// close_notify to all, and their ends told to the sink. On the shard's thread; wakes the driver.
  void close_all();
  /// On the shard's thread.
  ShardStats stats() const;

 private:
  struct Entry {
    std::unique_ptr<DeviceSession> session;
    std::optional<coap::Instant> deadline;  // as it stands in deadlines_
    std::int64_t not_after;                 // of its certificates, as it stands in expiries_
    coap::ConnectionCounters counters;      // as last seen: a closed connection may be gone before its end is told
  };
  using Deadline = std::pair<coap::Instant, coap::SessionId>;

  void drain(coap::Instant now);
  void dispatch(const coap::SessionEvent& event, coap::Instant now);
  void refused(const coap::SessionEvent& event, const coap::event::Closed& closed, coap::Instant now);
  void closed(coap::SessionId id, Entry& entry, const coap::event::Closed& closed);
  void claim(coap::SessionId id, const std::string& device, coap::Instant now);
  void own(coap::SessionId id, coap::Instant now, coap::Instant from);
  void on(const RecordAnswered& answer, coap::Instant now);
  void on(const StorageBack& back, coap::Instant now);
  void run_sessions(coap::Instant now);
  void rearm(coap::SessionId id, Entry& entry);
  void end_expired(coap::Instant now);
  void check_expiries(coap::Instant now, std::int64_t seconds);
  void give_back_after_a_crowd();
  void write(const AuditTally::Line& line);

  RecordSink& sink_;
  Owners& owners_;
  Environment environment_;
  std::uint64_t last_ticket_ = 0;
  ShardStats stats_;  // what the sessions and past connections add up to; the rest is filled in by stats()
  DeviceSession::Shared shared_;
  const std::unique_ptr<coap::Sessions> secure_;
  std::unordered_map<coap::SessionId, Entry> sessions_;
  std::set<Deadline> deadlines_;
  std::set<std::pair<std::int64_t, coap::SessionId>> expiries_;
  std::optional<coap::Instant> expiry_check_;  // none: nobody is here
  bool crowded_ = false;                       // many handshakes were under way
  AuditTally tally_{1024};
};

}  // namespace wardlink::ingest

#pragma once
// One device's session above CoAP (docs/wire.md, "The conversation"): the device asks for the time and registers;
// ingest observes its resources, hands what they say to the sink, and lets an alarm's ACK go when its records are
// durable.
//
// Sans-I/O, driven with an instant like the core below it. Not thread-safe: the shard's thread owns it.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "coap/connection.hpp"
#include "ingest/payload/intake.hpp"
#include "ingest/payload/registration.hpp"
#include "ingest/session/alarm_debts.hpp"
#include "ingest/session/audit_tally.hpp"
#include "ingest/session/device_clock.hpp"
#include "ingest/session/posts.hpp"
#include "ingest/session/session_stats.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

class DeviceSession {
 public:
  struct Config {
    /// A resource is not observed again sooner than this after the last time; doubled while the device refuses, …
    coap::Duration observe_pause = std::chrono::seconds{5};
    /// … up to this.
    coap::Duration longest_pause = std::chrono::seconds{80};
    /// /alarms speaks at least every 30 s: nothing of it is current for longer than this, whatever Max-Age it has.
    coap::Duration longest_alarm_age = std::chrono::seconds{60};
    /// From when on a held ACK may have come too late: the device may have given the observation up (RFC 7641 §4.5.2),
    /// or be about to, its retransmissions used up, so that an ACK that is lost is not asked for again. The last one
    /// goes 15 times ACK_TIMEOUT after the first, 30 s; a third of that leaves room for devices with shorter timers.
    coap::Duration late_ack = std::chrono::seconds{10};
    /// Alarm records of notifications that may wait for storage, and ACKs that may be held for them. What is beyond is
    /// not acknowledged, so that it comes again: its device owes it.
    std::size_t open_alarms = 64;
    /// Quarantined payloads, each of which costs storage a transaction. What is beyond is dropped and counted, and
    /// where it is Confirmable under /alarms it comes again.
    coap::Allowance quarantined = {.per_second = 2, .burst = 32};
    /// Exchanges of a device's clock go on to storage no more often than this, however often the device makes them.
    coap::Duration exchange_pause = std::chrono::seconds{10};
    Posts::Config posts = {};
  };

  /// What all sessions of a shard share; outlives them.
  struct Shared {
    RecordSink& sink;
    SessionStats& stats;
    Calendar calendar;
    std::function<Ticket()> draw_ticket;
    std::function<std::uint64_t()> draw_boot;  // 1 to 2^53 − 1, unpredictable
    coap::Random random;
    Config config = {};
  };

  DeviceSession(SinkSession name, Shared& shared, std::string address);

  /// What the connection reports, from Opened to Closed. `connection` is this session's; after Closed it may be null.
  void handle(const coap::Event& event, coap::Connection* connection, coap::Instant now);
  /// The device's older session is closed: from now on, but not before `from`, its resources may be observed.
  void own(coap::Connection& connection, coap::Instant now, coap::Instant from = coap::Instant::min());
  /// What became of one of this session's records. (Counted by the shard.)
  void handle_result(Ticket ticket, RecordResult result, coap::Connection& connection, coap::Instant now);
  void handle_storage_back(coap::Connection& connection, coap::Instant now);
  void handle_timeout(coap::Connection& connection, coap::Instant now);
  std::optional<coap::Instant> next_deadline() const;

  /// The URN of the certificate; empty until Opened.
  const std::string& device() const { return device_; }
  bool registered() const { return registration_.has_value(); }

 private:
  struct Watch {  // one resource of the device
    bool advertised = false;
    std::optional<coap::ObservationId> observation;
    std::optional<coap::Instant> due;  // when to observe (again)
    std::optional<coap::Instant> last_observed;
    coap::Instant fresh_until{};         // by Max-Age of what was heard last
    coap::Duration patience{};           // … and beyond that, until it is observed again
    std::optional<coap::Instant> check;  // when to see whether it has come to that; moved on only when it has passed
    coap::Duration pause{};
  };

  // One for each event. Those that take a pointer are told also when the connection is gone.
  void on(const coap::event::Opened&, coap::Connection&, coap::Instant);
  void on(const coap::event::RequestReceived&, coap::Connection&, coap::Instant);
  void on(const coap::event::NotificationReceived&, coap::Connection*, coap::Instant);
  void on(const coap::event::ObservationEnded&, coap::Connection&, coap::Instant);
  void on(const coap::event::NotificationRejected&, coap::Connection&, coap::Instant);
  void on(const coap::event::Closed&, coap::Connection*, coap::Instant);
  // Ingest asks for nothing but observations, …
  void on(const coap::event::ResponseReceived&, coap::Connection&, coap::Instant) {}
  void on(const coap::event::RequestFailed&, coap::Connection&, coap::Instant) {}
  // … and nobody observes it.
  void on(const coap::event::NotificationAcknowledged&, coap::Connection&, coap::Instant) {}
  void on(const coap::event::ObserverLost&, coap::Connection&, coap::Instant) {}
  void on(const coap::event::ObserverLeft&, coap::Connection&, coap::Instant) {}

  // What it answers; empty: the answer is held.
  using Answer = std::optional<coap::Response> (DeviceSession::*)(const coap::event::RequestReceived&, coap::Instant);
  struct Served;
  static const std::array<Served, 6> served;
  bool is_at(const Served& row, std::string_view path) const;
  std::optional<coap::Response> answer(const coap::event::RequestReceived& request, coap::Instant now);
  template <Resource resource>
  std::optional<coap::Response> answer_post(const coap::event::RequestReceived& request, coap::Instant now);
  std::optional<coap::Response> answer_time(const coap::event::RequestReceived& request, coap::Instant now);
  std::optional<coap::Response> answer_registration(const coap::event::RequestReceived& request, coap::Instant now);
  std::optional<coap::Response> answer_update(const coap::event::RequestReceived& request, coap::Instant now);
  std::optional<coap::Response> answer_core(const coap::event::RequestReceived& request, coap::Instant now);
  coap::Response refuse(Refusal refusal, const char* reason, coap::Instant now);
  coap::Response refuse_exchange(Refusal refusal, const char* reason, coap::Instant now);
  void accept(const Registration& registration, const ClockExchange& exchange, coap::Instant now);
  void exchanged(const ClockExchange& exchange, coap::Instant now);
  void check_clock(const std::vector<Fact>& facts, std::optional<std::uint64_t> said_ms, coap::Instant now);
  void ask_clock(coap::Connection& connection, coap::Instant now);

  void take_notification(Resource resource, const coap::event::NotificationReceived& notification,
                         coap::Connection* connection, coap::Instant now);
  bool admit_quarantined(std::vector<Fact>& facts, coap::Instant now);
  std::string number() const;
  void append(Ticket ticket, Fact fact, coap::Instant received_at);
  void note(std::string action, std::string reason, coap::Instant now, std::uint64_t times = 1);
  void note_excess(const coap::ConnectionCounters& counters, coap::Instant now);
  void write(const AuditTally::Line& line);
  void count_held(std::size_t before);

  Watch& watch_of(Resource resource) { return watches_[index_of(resource)]; }
  bool may_ask(Resource resource) const;
  void plan(Watch& watch, coap::Instant now);
  void observe(Resource resource, coap::Connection& connection, coap::Instant now);
  void run_watches(coap::Connection& connection, coap::Instant now);
  void refresh_stale(coap::Instant now);
  std::optional<Resource> resource_of(coap::ObservationId observation) const;

  SinkSession name_;
  Shared& shared_;
  std::string address_;
  std::string device_;
  DeviceClock clock_;
  coap::Instant next_exchange_ = coap::Instant::min();
  std::optional<Registration> registration_;
  std::optional<coap::Instant> observes_from_;  // empty: does not own the device yet
  std::array<Watch, resource_count> watches_;
  AlarmDebts debts_;
  coap::Budget quarantine_;
  std::uint64_t noted_excess_ = 0;  // messages over the session's allowances that the audit was told of
  Posts posts_;
  AuditTally tally_;
  std::optional<coap::Instant> lifetime_check_;
};

}  // namespace wardlink::ingest

#pragma once
// A device without its thread: connects, registers, serves its resources, and connects again. Sans-I/O: driven by
// instants, random and the channel are given, so that a whole ward can run in virtual time. One thread owns it; the
// recorder is what other threads see.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backoff.hpp"
#include "clock_updates.hpp"
#include "coap/connection.hpp"
#include "coap/result.hpp"
#include "coap/udp_driver.hpp"
#include "recorder.hpp"
#include "resources.hpp"
#include "time_exchange.hpp"

namespace wardlink {

class DeviceCore final : public coap::Endpoint {
 public:
  struct Config {
    std::string name;  // URN of the certificate
    std::chrono::seconds heartbeat{30};
    coap::Connection::Config connection;  // detect_silence is set by the core
    /// The channel has not compared the gateway's certificates with a calendar: GET /time's answer is it, but never
    /// earlier than `earliest`, seconds since 1970, and the latest that the journal knows.
    bool judges_dates = false;
    std::int64_t earliest = 0;
  };
  /// What reaches outside, given by the facade or a test.
  struct Seams {
    std::function<void()> look_up;  // asks for the server's addresses; handle_addresses() is the answer
    std::function<std::unique_ptr<coap::SecureChannel>(coap::Instant)> connect;
    coap::Random random;
    Calendar calendar;  // the host's, for the journal
  };

  DeviceCore(Config config, Seams seams, Recorder& recorder);
  ~DeviceCore() override;

  void start(coap::Instant now);
  /// close_notify, then silence. What is still unwritten goes to the journal.
  void stop(coap::Instant now);
  /// Something was reported.
  void nudge(coap::Instant now);
  /// What the look-up found, in the order of RFC 6724; the error is a sentence. Never from inside of look_up.
  void handle_addresses(coap::Result<std::vector<coap::Address>, std::string> found, coap::Instant now);

  void handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) override;
  void handle_timeout(coap::Instant now) override;
  std::optional<coap::Datagram> poll_datagram() override;
  std::optional<coap::Instant> next_deadline() const override;

 private:
  /// A handshake with one of the server's addresses.
  struct Attempt {
    coap::Address server;
    coap::Connection connection;
    coap::Instant began;
    std::optional<coap::Instant> heard = {};  // anything at all; it need not be authentic

    coap::Instant done_by() const;
  };
  /// One session's worth of state.
  struct Session {
    enum class Stage : std::uint8_t { time, registration, serving } stage = Stage::time;
    coap::Connection connection;
    Resources resources;
    TimeExchange time;  // before registration
    ClockUpdates clock;
    coap::Instant began;
    coap::Instant stage_since;                       // serving: since when it has been observed, or not
    std::optional<TimeExchange::Accepted> exchange;  // that it registers with
    std::optional<coap::RequestId> asked;
    coap::Instant pinged_at;
    bool was_observed = false;

    coap::Instant set_up_by() const;
    /// Nothing came since the handshake, though it asks.
    bool is_unheard() const;
  };

  void connect(coap::Instant now);
  bool idle() const;
  std::optional<coap::Instant> look_up_deadline() const;
  void watch_look_up(coap::Instant now);
  void try_addresses(coap::Instant now);
  void try_next(coap::Instant now);
  void watch_attempts(coap::Instant now);
  std::optional<coap::Instant> attempts_deadline() const;
  void choose(std::size_t attempt, coap::Instant now);
  void attempt_failed(std::size_t attempt, coap::CloseReason reason, std::string problem, coap::Instant now);
  bool drain_attempts(coap::Instant now);
  void pump(coap::Instant now);
  bool drain(coap::Instant now);
  void handle(const coap::Event& event, coap::Instant now);
  void answered(const coap::event::ResponseReceived& response, coap::Instant now);
  void closed(const coap::event::Closed& why, coap::Instant now);
  void register_device(const TimeExchange::Accepted& exchange, coap::Instant now);
  void asked_for_clock(const coap::event::RequestReceived& request, coap::Instant now);
  void note(const TimeExchange::Accepted& exchange);
  std::optional<coap::CloseReason> judge_dates(coap::ByteView time_answer);
  void give_up(coap::CloseReason reason, std::string problem, coap::Instant now);
  void watch(coap::Instant now);
  void watch_set_up(coap::Instant now);
  void retry_later(coap::Instant now, coap::Duration most);
  void publish();
  coap::Duration patience() const;

  Config config_;
  std::int64_t noted_date_ = 0;  // the last that the journal was told
  Seams seams_;
  Recorder& recorder_;
  AlarmLog log_;
  NotificationCounters notifications_;
  Backoff backoff_;
  bool running_ = false;
  // On the way to a session: a look-up, then attempts side by side; the first whose handshake succeeds is chosen.
  std::optional<coap::Instant> looked_up_at_;  // since when an answer of the name service is awaited
  bool look_up_late_ = false;                  // and that it was late has been seen to
  std::vector<coap::Address> addresses_;       // of the last look-up that found any, families in turn
  std::deque<coap::Address> untried_;          // of this round
  std::vector<Attempt> attempts_;
  std::optional<Session> session_;
  std::optional<std::string> given_up_;  // why this side closes the session
  std::optional<coap::Instant> retry_at_, conditions_at_;
  coap::Address server_;
  std::deque<coap::Datagram> out_;
  LinkStatus link_;
  std::uint64_t retransmissions_before_ = 0;  // of sessions that are over
};

}  // namespace wardlink

#pragma once
// What /vitals, /alarms and /waveforms/<name> answer, and when they notify: the server's half of one session. Sans-I/O:
// driven by instants, commands the session's connection. One object a session; what is owed outlives it in the
// recorder.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "coap/connection.hpp"
#include "notification_counters.hpp"
#include "recorder.hpp"
#include "waveform_resources.hpp"

namespace wardlink {

using Calendar = std::function<std::chrono::system_clock::time_point()>;

/// The loop's part in the journal: records that no call waits for, another try of what was refused, and ACKs.
class AlarmLog {
 public:
  AlarmLog(Calendar calendar, Recorder& recorder) : calendar_(std::move(calendar)), recorder_(recorder) {}
  /// Records of this start, numbered up to here, may be sent.
  std::uint64_t write_pending() { return recorder_.write_pending(); }
  /// Tries what the journal refused again: after 1 s, doubling to 8 s.
  void retry(coap::Instant now);
  std::optional<coap::Instant> next_deadline() const { return retry_at_; }
  /// The last try: whatever was refused.
  void finish();
  void acknowledged(const std::vector<AlarmKey>& records);

 private:
  Calendar calendar_;
  Recorder& recorder_;
  std::optional<coap::Instant> retry_at_;
  coap::Duration wait_ = std::chrono::seconds{1};
};

class Resources {
 public:
  /// Serves the boot that is now, and nothing of a later one.
  Resources(Recorder& recorder, AlarmLog& log, coap::Duration heartbeat, NotificationCounters& counters);
  std::uint64_t boot() const { return boot_; }

  /// What registration advertises (RFC 6690).
  static std::string links(const Recorder& recorder);

  void handle(coap::Connection& connection, const coap::event::RequestReceived& request, coap::Instant now);
  void handle(const coap::event::NotificationAcknowledged& acknowledged);
  void handle(const coap::event::ObserverLost& lost);
  void handle(const coap::event::ObserverLeft& left);

  /// Sends what is due.
  void pump(coap::Connection& connection, coap::Instant now);
  /// When pump() has something to do if nothing is reported before.
  std::optional<coap::Instant> next_deadline(const coap::Connection& connection) const;
  /// /vitals and /alarms are observed.
  bool observed() const { return vitals_.observer && alarms_.observer; }
  /// The session is over: sets and runs in a notification that nobody acknowledged wait again.
  void abandon();

 private:
  struct Vitals {
    std::optional<coap::ObserverId> observer;
    std::optional<coap::Instant> sent_at;  // the last notification
    coap::Instant confirmed_at;            // the last one that was Confirmable, or the registration
    std::optional<coap::DeliveryId> confirmable;
    std::vector<SequencedSet> unconfirmed;  // what it carries
  } vitals_;
  struct Probe {  // a ping that measures the round trip
    bool open = false;
    coap::Instant sent_at;
    std::optional<coap::Duration> measured;  // by the last one that was answered at once
  } probe_;
  struct Alarms {
    std::optional<coap::ObserverId> observer;
    coap::Instant sent_at;
    std::optional<coap::DeliveryId> latest;  // awaits its ACK
    std::uint64_t sent_through = 0;          // number of the newest record that could be in `latest`
    bool says_clock = false;                 // the observer asked what the clock was when each was sent
  } alarms_;

  void get_vitals(coap::Connection& connection, const coap::event::RequestReceived& request, coap::Instant now);
  void get_alarms(coap::Connection& connection, const coap::event::RequestReceived& request, coap::Instant now);
  void notify_vitals(coap::Connection& connection, coap::Instant now);
  void notify_alarms(coap::Connection& connection, coap::Instant now);
  bool alarms_due(std::uint64_t through, coap::Instant now) const;
  coap::Duration interval(const coap::Connection& connection) const;
  coap::Duration round_trip(const coap::Connection& connection) const;
  void probe(coap::Connection& connection, coap::Instant now);
  void spend(const coap::Connection& connection, coap::Instant now);
  void take_back();

  struct WaitingSets {
    coap::Response response;
    std::vector<SequencedSet> sets;
  };
  WaitingSets take_waiting();
  struct OwedRecords {
    coap::Response response;
    std::vector<OwedAlarm> records;
    std::uint64_t through;
  };
  OwedRecords owed(bool says_clock);

  Recorder& recorder_;
  AlarmLog& log_;
  std::uint64_t boot_;
  coap::Duration heartbeat_;
  NotificationCounters& counters_;
  WaveformResources waveforms_;
  /// Until when what was sent Non-confirmable has used the session's budget up. Vitals do not ask: they keep their own
  /// interval, as if there were no waveforms, and waveforms wait until their part is paid for too.
  coap::Instant even_at_{};
};

}  // namespace wardlink

#pragma once
// Start here. A wearable: report what was measured, raise what must be known, and the SDK sees to the rest: DTLS with
// the device's certificate, registration, notifications, retransmission, reconnection.
//
//   wardlink::Device device(options);
//   device.start();
//   device.report({.readings = {{signs::find("hr")->id, 72}}});
//   device.stop();

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coap/credentials.hpp"
#include "wardlink/clock.hpp"
#include "wardlink/journal.hpp"
#include "wardlink/limits.hpp"
#include "wardlink/measurement.hpp"
#include "wardlink/waveform.hpp"

namespace wardlink {

/// A thread and an event loop that many devices may share (a simulator, a bedside hub).
class Runtime {
 public:
  Runtime();
  ~Runtime();  // after the devices on it
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct DeviceOptions {
  // A name is looked up each time it connects, on a thread that lives as long as the look-up: while the name service is
  // silent nothing else stands still, and addresses of an earlier look-up are tried after 2 s. All addresses are tried,
  // in the order of RFC 6724, families in turn, the next one 250 ms after the last (RFC 8305); who answers first is
  // taken. An address is never looked up; IPv4, or IPv6, link-local ones with their zone ("fe80::1%eth0").
  std::string server = "localhost";
  std::uint16_t port = 5684;
  std::string server_name;        // that the server's certificate must carry; empty = `server`
  coap::Credentials credentials;  // PEM texts; the certificate's SAN URI is the device's name
  AlarmSettings alarms;
  // May be nullptr: nothing outlives the process then, and Refusal::unwritten never comes. What it owes is delivered.
  std::shared_ptr<Journal> journal;
  // Sets kept unsent, at least 1; beyond it the oldest is dropped and counted. About 200 B each
  std::size_t set_capacity = 4096;
  // Alarm records owed, at least 2: an onset and its end. raise() fails where its end would no longer fit. What earlier
  // starts left owed in the journal takes at most half of it; the rest of that waits in memory, about 200 B a record,
  // highest priority first.
  std::size_t alarm_capacity = 1024;
  std::vector<WaveformOptions> waveforms;  // those that the device has, each once; only they are advertised
  /// Runs of each waveform kept unsent, about 1 KB each; beyond it the oldest is dropped and counted. A run lasts at
  /// most 4 s and has at most 460 samples.
  std::size_t run_capacity = 64;
  // The device's clock, that the integrator vouches for: monotonic ms below 2^53 that count the time in which the
  // device sleeps. Any thread; it must not call the device. Empty = host_tick() (clock.hpp)
  // Where it goes back by up to a second it is held where it was. By more, it has wrapped or restarted, and the SDK
  // begins a new start of the device: a boot and a session of its own, sequences from 1, limits that remember nothing.
  // What waits unsent is dropped and counted, the caller's open alarms are unknown_alarm from then on; alarms that are
  // owed stay so, under the boot that made them, as after a reboot. A jump ahead cannot be told from sleep.
  std::function<std::uint64_t()> tick;
  // /alarms is sent at least so often, also when nothing is owed. 1 s to a day
  std::chrono::seconds heartbeat{30};
  // The integrator vouches for the host's calendar: the dates of the service's certificates are judged by it during the
  // handshake. Else by what the service says of the time right after it, before anything is told to it, but never by an
  // earlier instant than the SDK's day of build and the last one at which a certificate was good, that the journal
  // or this start knows.
  bool calendar_is_right = false;
  std::shared_ptr<Runtime> runtime;               // empty = one of its own
  std::function<void(std::string_view)> key_log;  // coap::DtlsOptions has it; heeded by debug builds only
  std::shared_ptr<Journal> audit;                 // open_audit_book(): told all that is generated; may be nullptr
};

/// Why a call was refused; nothing was taken. But for `unwritten`: all was taken, it is sent like any other, and only
/// its durability is not there yet.
enum class Refusal : std::uint8_t {
  none,
  stopped,        // not started, or stopped
  invalid,        // empty set, a sign twice or unknown to the catalogue, NaN or infinity, bad code; no samples, an
                  // infinite one, or a waveform that is not among the options; a tick not below 2^53
  full,           // alarms: alarm_capacity records are owed, or places for the ends of open alarms are kept
  unknown_alarm,  // end(): no such open alarm, or the device's clock went back since
  unwritten,      // taken, but an alarm record of this call is not in the journal (a full disk, say): until it is, it
                  // is lost with the process. It is written as soon as the journal can: tried after 1 s, doubling to
                  // 8 s, and with each alarm. Do not repeat the call
  ahead,          // measured more than a second ahead of the device's clock. What is past is taken, however old it is
};
const char* to_string(Refusal refusal);

struct DeviceStatus {
  bool connected = false;    // a session stands and ingest observes it
  std::string last_problem;  // why it does not, for people; empty when connected
  std::uint64_t sets_generated = 0, sets_sent = 0, sets_dropped = 0, sets_waiting = 0;
  // Runs of samples, of all waveforms. Of sets and runs: generated = sent + dropped + waiting, among which are those of
  // a Confirmable notification that is not acknowledged yet.
  std::uint64_t runs_generated = 0, runs_sent = 0, runs_dropped = 0, runs_waiting = 0;
  // Inherited: left owed in the journal by earlier starts. Generated + inherited = acknowledged + owed.
  std::uint64_t alarms_generated = 0, alarms_inherited = 0, alarms_acknowledged = 0, alarms_owed = 0;
  std::uint64_t alarms_dropped = 0;  // episodes of limits that began and ended while alarm_capacity was reached
  std::uint64_t non_notifications = 0, con_notifications = 0;
  // What the journal could not write at the first try: sets, alarm records, ACKs.
  std::uint64_t handshakes = 0, retransmissions = 0, journal_failures = 0;
  std::uint64_t journal_damaged_lines = 0;  // passed over when it was opened
  std::uint64_t journal_kept_lines = 0;     // not understood when it was opened: kept for a version that does, not sent
  std::uint64_t alarms_unwritten = 0;       // records that are owed, but not in the journal (yet)
  std::uint64_t audit_failures = 0;         // what the audit book has not
  // Calls that took nothing, for whatever reason: of report(), of waveform(), of raise() and end().
  std::uint64_t sets_refused = 0, samples_refused = 0, alarms_refused = 0;
  std::uint64_t clock_restarts = 0;  // the device's clock went back by more than a second: a new boot each
  // What the service knows of the device's clock: so many exchanges it took, at registration, then each hour, and where
  // the clock jumped. The last one dates the clock to ± so many ms, from that tick on (0 and 0: none yet).
  std::uint64_t clock_exchanges = 0, clock_uncertainty_ms = 0, clock_exchange_tick_ms = 0;
};

/// Names an alarm condition that this device raised; unique for the device's life.
enum class AlarmId : std::uint64_t {};

/// Thread-safe: every call from any thread; none blocks on the network, the name service, or a disk that is not the
/// journal's.
/// Durability: report(), raise(), end() and conclude() return when each alarm record that they made is in the journal
/// (open_file_journal: on the disk), or with Refusal::unwritten. Calls that wait at the same time share one fsync. A
/// limit that is passed between two samples raises its alarm on the device's own thread: it is in the journal before it
/// is sent.
/// Memory: bounded by set_capacity, alarm_capacity and run_capacity, about 1 MB with the defaults, the DTLS session
/// included.
class Device {
 public:
  /// Throws std::invalid_argument with one sentence when the credentials or options cannot be used,
  /// std::runtime_error where no clock is given and the host has none, and where no runtime is given std::system_error
  /// when there is no thread for one. The name is the first SAN URI of the
  /// certificate, at most 63 bytes.
  explicit Device(DeviceOptions options);
  /// stop() with no time to drain, where it was not called. Never on the runtime's own thread.
  ~Device();

  /// Connects, and reconnects for as long as it runs: after a failure with full jitter, 1 s doubling to 60 s; where
  /// nothing answered, to 4 s. Once in a device's life. Throws std::runtime_error with one sentence when no UDP socket
  /// can be opened.
  void start();
  /// One measurement set. Alarm limits are applied to it before it returns; none: what they raised or ended is in the
  /// journal. The set itself is not promised.
  Refusal report(const MeasurementSet& set);
  /// The next samples of one of the options' waveforms, oldest first, at its rate and in the catalogue's unit (ECG:
  /// mV). NaN: not measured. They travel in the options' steps; what lies beyond ±32,767 of them is held there. Any
  /// number at a time: they are cut into runs, each of which is sent once, when it is whole, and never before vitals or
  /// alarms that wait: Non-confirmable, but Confirmable once in 23 h. `tick_ms`: the device's clock at the first of
  /// them. Empty: they follow the last ones without a gap; the very first ones end now. Where the tick is more than one
  /// sample and a millisecond from what the rate leads to, the run under way is closed and a new one opens at that
  /// tick: so a gap shows, and so does a clock that drifts.
  Refusal waveform(std::string_view name, std::span<const double> samples, std::optional<std::uint64_t> tick_ms = {});
  /// An alarm condition beyond the limits: lead off, fall, the wearer's button. Empty when it was refused: `why`, where
  /// it is given, tells the reason (stopped, invalid or full). Else `why` is none, and the alarm is in the journal, or
  /// unwritten, and it is not; it is raised either way.
  std::optional<AlarmId> raise(const Alarm& alarm, Refusal* why = nullptr);
  /// Its end; `tick_ms` empty = now. none: it is in the journal.
  Refusal end(AlarmId alarm, std::optional<std::uint64_t> tick_ms = {});
  /// The measuring ends (the device is taken off, a recording is over): conditions raised by limits end with their last
  /// sample inside the band, and runs of samples end where they are. none: these ends are in the journal. Does nothing
  /// where it does not run: stopped.
  Refusal conclude();
  /// Sends what waits for at most `drain`, then closes the session. Blocks; false when something was left.
  bool stop(std::chrono::milliseconds drain = std::chrono::milliseconds{0});

  DeviceStatus status() const;
  /// The URN of the certificate's SAN.
  const std::string& name() const;
  /// Of the start that is: 1 to 2^53 − 1. Drawn at construction, and each time when the device's clock goes back by
  /// more than a second.
  std::uint64_t boot() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace wardlink

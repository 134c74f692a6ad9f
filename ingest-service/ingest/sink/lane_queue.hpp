#pragma once
// What waits for one stream to storage and what is on its way there. It decides what goes next, what is sent again
// after the stream was lost, and what is given up when there is no room. No thread, no clock, no gRPC: GrpcLane drives
// it.
//
// Records are dealt with as Turns says; sessions that storage would not attach wait in Parking; audit entries have a
// backlog of their own.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "coap/instant.hpp"
#include "ingest/sink/audit_backlog.hpp"
#include "ingest/sink/lane_session.hpp"
#include "ingest/sink/parking.hpp"
#include "ingest/sink/record_sink.hpp"
#include "ingest/sink/stamps.hpp"
#include "ingest/sink/storage_answer.hpp"
#include "ingest/sink/turns.hpp"

namespace wardlink::ingest {

/// Not thread-safe.
class LaneQueue {
 public:
  struct Config {
    Lane lane = Lane::readings;
    /// Records waiting, in flight and parked together. Beyond it vitals are shed, the oldest of the device with most
    /// bytes waiting; alarm records are refused, so that their device goes on owing them. Runs of samples, which are
    /// larger, have no place where half of it is taken: they are shed before any vital sign.
    std::size_t capacity = 65'536;
    std::size_t quantum = 4096;        // bytes a device may send in its turn, by estimate
    std::size_t device_alarms = 1024;  // alarm records of one device, past sessions included; beyond it refused
    /// While storage answers, and has since it caught up, a reading that waited for longer is dropped.
    coap::Duration longest_wait = std::chrono::seconds{5};
    /// A batch that takes longer than this is not answered: storage is away.
    coap::Duration longest_answer = std::chrono::seconds{5};
    std::size_t batch = 256;            // records an Append
    std::size_t in_flight = 4;          // Appends that are not answered yet
    std::size_t audit_capacity = 4096;  // entries; beyond it the newest is dropped and counted
    std::size_t attach_batch = 512;     // sessions that are attached at once
    /// Between two messages of audit entries, each a COMMIT at storage before which the records behind it wait.
    coap::Duration audit_pause = std::chrono::milliseconds{250};
    std::size_t audit_batch = 1024;  // entries in such a message
    /// How long a session that storage would not attach waits before it is tried again: doubled each time, up to the
    /// longest, until a record of it is taken or the stream is lost.
    coap::Duration park = std::chrono::seconds{1};
    coap::Duration longest_park = std::chrono::seconds{60};
    /// Readings of one device, past sessions included, beyond which those of a session that waits so are shed.
    std::size_t device_parked = 4096;
    Stamps::Config stamps = {};
  };
  struct Counters {
    std::uint64_t shed_vitals = 0, shed_waveforms = 0, shed_quarantined = 0, alarms_refused = 0, audits_dropped = 0;
    std::uint64_t appended = 0, resent = 0, parked = 0;
    std::uint64_t waited = 0;  // readings that waited for longer than they may, though storage answered
    std::uint64_t attaches_refused = 0;
    std::uint64_t stamps_ignored = 0;  // streams on which storage did not answer the first stamp
  };

  explicit LaneQueue(const Config& config);

  // -- from the shard
  /// Told to storage, with others, when its first record is about to go; or earlier, where nothing else is to be sent
  /// and storage has answered what it was told before. On the alarms' lane only the first of a stream is told earlier.
  /// The answers that are due at once: to alarm records of past sessions of the device, which owes them itself again.
  std::vector<RecordAnswered> attach(const Attachment& attachment);
  struct Exchange {
    SinkSession session;
    ClockExchange exchange;
  };
  /// The session is attached once more, with this; nothing of it waits for that.
  void exchanged(const Exchange& news);
  void detach(SinkSession session);
  /// The answers that are due at once: what was shed or refused for it.
  std::vector<RecordAnswered> append(Record record, coap::Instant now);
  void audit(AuditEntry entry);

  // -- from the stream
  struct Detachment {
    SinkSession session;
  };
  struct Batch {
    std::uint64_t number;
    const std::vector<Record>* records;  // stays until it is answered or restart() is called
    Stamp stamp;                         // what their instants are told after
  };
  struct Attachments {
    std::vector<Attachment> all;
    Stamp stamp;
  };
  struct StampRequest {
    std::uint64_t number;
  };
  using Outgoing = std::variant<StampRequest, Attachments, Detachment, std::vector<AuditEntry>, Batch>;
  /// What to send next: a stamp where one is due, and nothing before the first of a stream is answered; then records
  /// before all else. Empty = nothing now.
  std::optional<Outgoing> next(coap::Instant now);
  /// The answers to what next() has dropped since the last call.
  std::vector<RecordAnswered> take_dropped() { return std::exchange(dropped_, {}); }
  /// When next() may have something that it has not got now; empty = only after another call.
  std::optional<coap::Instant> next_deadline() const;
  /// False: that stamp was not asked for, so the stream is to be given up.
  bool stamp_answered(std::uint64_t number, std::optional<WallTime> calendar, coap::Instant now) {
    return stamps_.answered(number, calendar, now);
  }
  struct Refusal {
    SinkSession session;
    std::string why;
  };
  /// Storage answered attachments, the oldest that it had not, and would not attach these.
  void attach_answered(const std::vector<Refusal>& refused = {});
  /// Storage answered a batch: one answer a record, in its order. Empty for a batch that is not in flight or answers of
  /// another number: the stream is to be given up.
  std::optional<std::vector<RecordAnswered>> answer(std::uint64_t batch, const std::vector<StorageAnswer>& answers,
                                                    coap::Instant now);
  /// The stream is lost. On the next one sessions are attached anew and all that is unanswered goes again, in order.
  void restart();

  /// For the operator, since the last call: a sentence for each session that storage would not attach, once, and one a
  /// stream on which storage does not answer the first stamp.
  std::vector<std::string> take_complaints() { return std::exchange(complaints_, {}); }

  /// See Stamps.
  std::optional<WallTime> calendar(coap::Instant now) const { return stamps_.calendar(now); }
  std::size_t size() const { return size_; }
  /// Audit entries of which it is not known that they arrived.
  std::size_t audits() const { return audits_.size(); }
  /// No record and no audit entry waits or is unanswered. Sessions may still be to be attached or detached.
  bool drained() const { return size_ == 0 && audits_.empty(); }
  const Counters& counters() const { return counters_; }

 private:
  struct InFlight {
    std::vector<Record> records;
    coap::Instant sent;
  };
  using Sessions = std::unordered_map<SinkSession, LaneSession>;

  std::vector<RecordAnswered> make_room();
  RecordAnswered drop(const Record& record, RecordResult result);
  void settled(LaneSession& session);
  void release(LaneSession& session);
  Sessions::iterator forget(Sessions::iterator at);
  std::vector<RecordAnswered> take_back_orphans(const Attachment& attachment);

  std::optional<Record> pick(coap::Instant now);
  bool is_too_old(const LaneSession& session, coap::Instant now) const;
  void note_caught_up(coap::Instant now);
  void stage(coap::Instant now);
  std::optional<Outgoing> next_batch(coap::Instant now);
  std::optional<Outgoing> next_control();
  void tell(LaneSession& session, std::vector<Attachment>& attachments);
  std::optional<Outgoing> send(std::vector<Attachment> attachments);

  void park(Record record, LaneSession& session, coap::Instant now);
  void set_parked_aside();
  void unpark(LaneSession& session, coap::Instant when);
  void unpark(coap::Instant now);
  void note_overdue_stamp(coap::Instant now);
  void settle(Record record, StorageAnswer answer, coap::Instant now, std::vector<RecordAnswered>& answered);
  void take_back_sent();

  Config config_;
  Counters counters_;
  Sessions sessions_;
  std::unordered_map<std::string, LaneDevice> devices_;
  std::uint64_t last_device_ = 0;
  Turns turns_;
  Parking parking_;
  AuditBacklog audits_;
  Stamps stamps_;
  std::size_t size_ = 0;
  std::vector<RecordAnswered> dropped_;
  std::vector<std::string> complaints_;

  std::deque<SinkSession> control_;  // sessions to attach or to detach
  bool stream_begun_ = false;        // one has been attached on it
  std::size_t attaching_ = 0;        // Attachments that are not answered yet

  std::deque<Record> resend_;   // were in flight when the stream was lost: they go before all else
  std::vector<Record> staged_;  // the next batch; it goes when the sessions of all that is in it are attached
  std::size_t attached_ = 0;    // of these so many have been seen to be
  std::map<std::uint64_t, InFlight> in_flight_;
  std::uint64_t last_batch_ = 0;
  bool answers_ = false;                    // storage has answered a batch of this stream, and none was late since
  std::optional<coap::Instant> caught_up_;  // since when it has answered all the time, with nothing left from before
};

}  // namespace wardlink::ingest

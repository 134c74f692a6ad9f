#pragma once
// What waits for one stream to storage and what is on its way there. It decides what goes next, what is sent again
// after the stream was lost, and what is given up when there is no room. No thread, no clock, no gRPC: GrpcLane drives
// it.
//
// Devices take turns (deficit round robin): each sends a quantum of bytes, its sessions one after the other and each in
// order, then it is the next one's turn. So what a device sends too much waits behind itself. Nothing is found by
// walking what waits.

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "coap/instant.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// What storage says of one record.
enum class StorageAnswer : std::uint8_t { committed, duplicate, quarantined, not_attached };

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
  };
  struct Counters {
    std::uint64_t shed_vitals = 0, shed_waveforms = 0, shed_quarantined = 0, alarms_refused = 0, audits_dropped = 0;
    std::uint64_t appended = 0, resent = 0, parked = 0;
    std::uint64_t waited = 0;  // readings that waited for longer than they may, though storage answered
    std::uint64_t attaches_refused = 0;
    std::uint64_t attaches_ignored = 0;  // batches refused whole, and the attachments sent before them not answered
    std::uint64_t superseded = 0;        // alarm records of a past session whose device is back and owes them itself
  };

  explicit LaneQueue(const Config& config) : config_(config) {}

  // -- from the shard
  /// Told to storage, with others, when its first record is about to go; or earlier, where nothing else is to be sent
  /// and storage has answered what it was told before. On the alarms' lane only the first of a stream is told earlier.
  void attach(const Attachment& attachment);
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
  };
  using Attachments = std::vector<Attachment>;
  using Outgoing = std::variant<Attachments, Detachment, std::vector<AuditEntry>, Batch>;
  /// What to send next: records before all else. Empty = nothing now.
  std::optional<Outgoing> next(coap::Instant now);
  /// The answers to what next() has dropped since the last call.
  std::vector<RecordAnswered> take_dropped() { return std::exchange(dropped_, {}); }
  /// When next() may have something that it has not got now; empty = only after another call.
  std::optional<coap::Instant> next_deadline() const;
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
  /// stream where storage does not know attachments.
  std::vector<std::string> take_complaints() { return std::exchange(complaints_, {}); }

  std::size_t size() const { return size_; }
  /// Audit entries of which it is not known that they arrived.
  std::size_t audits() const { return audits_.size() + audits_sent_.size(); }
  /// Nothing waits and nothing is on its way.
  bool drained() const { return size_ == 0 && audits_.empty(); }
  const Counters& counters() const { return counters_; }

 private:
  struct Waiting {
    Record record;
    coap::Instant since;
  };
  struct Device {
    std::uint64_t number = 0;       // in the order in which they came
    std::size_t sessions = 0;       // that are known here
    std::set<SinkSession> past;     // those of them that are detached
    std::list<SinkSession> active;  // those that have something waiting, in turn; some may be parked meanwhile
    std::size_t bytes = 0;          // waiting, of sessions that are not parked
    std::size_t unanswered = 0;     // records
    std::size_t deficit = 0;        // bytes that it may still send in its turn
    bool in_turn = false, in_ring = false;
  };
  struct Session {
    Attachment attachment;
    Device* device = nullptr;
    bool told = false;      // attached on this stream
    bool detached = false;  // by the shard
    bool refused = false;   // by storage, at least once
    std::size_t unanswered = 0;
    std::size_t in_flight = 0;           // records of it
    std::optional<coap::Instant> retry;  // storage would not attach it: parked until then, and while any is in flight
    std::deque<Waiting> waiting;
    std::size_t bytes = 0;                          // of them
    bool active = false;                            // stands among its device's
    std::vector<Record> parked;                     // were sent, and go before those
    coap::Duration pause{};                         // how long it was parked last; 0 = a record was taken since
    coap::Instant unparked = coap::Instant::min();  // what came before that waited for its session, not for its turn
  };
  struct InFlight {
    std::vector<Record> records;
    coap::Instant sent;
    std::uint64_t attachments = 0;  // sent before it, ever
  };
  using Sessions = std::unordered_map<SinkSession, Session>;

  std::vector<RecordAnswered> make_room();
  RecordAnswered drop(const Record& record, RecordResult result);
  void settled(Session& session);
  void release(Session& session);
  void weigh(Device& device, std::size_t bytes);
  void put(Session& session, Waiting waiting, bool first);
  Record take_first(Session& session);
  void activate(Session& session);
  Session* turn_of(Device& device);
  std::optional<Record> pick(coap::Instant now);
  bool is_too_old(const Session& session, coap::Instant now) const;
  void note_caught_up(coap::Instant now);
  void park(Session& session, coap::Instant now);
  void unpark(Session& session, coap::Instant when);
  void set_parked_aside();
  void stage(coap::Instant now);
  Sessions::iterator forget(Sessions::iterator at);
  void take_back_orphans(const Attachment& attachment);
  void unpark(coap::Instant now);
  void tell(Session& session, Attachments& attachments);
  std::optional<Outgoing> send(Attachments attachments);
  std::optional<Outgoing> next_control();
  std::optional<Outgoing> next_audits(coap::Instant now);
  std::optional<Outgoing> next_batch(coap::Instant now);
  void note_ignored(const InFlight& batch, const std::vector<StorageAnswer>& answers);
  void settle(Record record, StorageAnswer answer, coap::Instant now, std::vector<RecordAnswered>& answered);

  Config config_;
  Counters counters_;
  Sessions sessions_;
  std::unordered_map<std::string, Device> devices_;
  std::uint64_t last_device_ = 0;
  std::deque<Device*> ring_;  // those that have something waiting, in the order of their turns
  std::set<std::tuple<std::size_t, std::uint64_t, Device*>> greed_;  // the same by bytes that wait
  std::deque<SinkSession> control_;                                  // sessions to attach or to detach
  bool stream_begun_ = false;                                        // one has been attached on it
  std::size_t attaching_ = 0;                                        // Attachments that are not answered yet
  std::uint64_t attachments_ = 0;                                    // sent, ever
  bool told_ignored_ = false;                                        // on this stream
  std::deque<Record> resend_;   // were in flight when the stream was lost: they go before all else
  std::vector<Record> staged_;  // the next batch; it goes when the sessions of all that is in it are attached
  std::size_t attached_ = 0;    // of these so many have been seen to be
  std::map<std::uint64_t, InFlight> in_flight_;
  std::uint64_t last_batch_ = 0;
  std::size_t size_ = 0;
  std::set<std::pair<coap::Instant, SinkSession>> parked_;  // with nothing in flight, and until when
  bool answers_ = false;                    // storage has answered a batch of this stream, and none was late since
  std::optional<coap::Instant> caught_up_;  // since when it has answered all the time, with nothing left from before
  std::vector<RecordAnswered> dropped_;
  std::vector<std::string> complaints_;
  std::deque<AuditEntry> audits_;  // waiting
  coap::Instant audits_due_{};     // not before
  // Sent, with the last batch sent before. The stream is handled in order, so a later batch's answer tells that they
  // arrived; until then they are sent again on a new stream.
  std::deque<std::pair<std::uint64_t, AuditEntry>> audits_sent_;
};

}  // namespace wardlink::ingest

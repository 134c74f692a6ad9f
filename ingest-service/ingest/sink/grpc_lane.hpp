#pragma once
// One stream to storage on a connection of its own, kept alive for as long as the lane lives. Two threads: one opens
// the stream and writes, one reads. The shard's thread collects what it puts in and hands it to the queue once a turn.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/sink/lane_queue.hpp"
#include "locks/mutex.hpp"

// Declared here, because gRPC's headers take four seconds to compile.
namespace grpc {
class Channel;
class ClientContext;
class Status;
template <class Request, class Response>
class ClientReaderWriter;
}  // namespace grpc

namespace wardlink::v1 {
class AppendResult;
class IngestRequest;
class IngestResponse;
class Stamp;
}  // namespace wardlink::v1

namespace wardlink::ingest {

class GrpcLane {
 public:
  struct Config {
    LaneQueue::Config queue;
    coap::Duration first_backoff =
        std::chrono::milliseconds{100};                        // doubled after each stream that brought no answer …
    coap::Duration longest_backoff = std::chrono::seconds{2};  // … up to this
    /// Between two streams while storage refuses this certificate: each try is a line in its audit.
    coap::Duration refused_backoff = std::chrono::seconds{5};
  };
  struct Stats {
    LaneQueue::Counters queue;
    std::size_t waiting = 0;
    std::size_t audits = 0;  // waiting, or on their way
    bool connected = false;
    std::uint64_t streams = 0;    // opened since the start
    std::uint64_t handovers = 0;  // by flush(): so often the shard's thread took the lock and woke the stream's
    std::uint64_t refused = 0;    // streams that storage ended with PERMISSION_DENIED
  };
  /// For the operator: the stream is away (and why, in gRPC's words), or is back. Once for each change, from the lane's
  /// own threads.
  struct Change {
    Lane lane;
    bool back;
    std::string why;
    bool refused = false;  // storage is there, but this certificate's subject has no grant
    bool known = false;    // that the stream is away was told before; now it is why
  };
  using Notice = std::function<void(const Change&)>;
  /// For the operator: a sentence, from the thread that reads; see LaneQueue::take_complaints().
  using Complain = std::function<void(const std::string& sentence)>;

  GrpcLane(std::shared_ptr<grpc::Channel> channel, const Config& config, Deliver deliver, Notice notice,
           Complain complain);
  /// Ends the stream; what is unanswered stays so.
  ~GrpcLane();
  GrpcLane(const GrpcLane&) = delete;
  GrpcLane& operator=(const GrpcLane&) = delete;

  // The shard's thread; none blocks. See RecordSink.
  void attach(const Attachment& attachment) { turn_.emplace_back(attachment); }
  void exchanged(SinkSession session, const ClockExchange& exchange) {
    turn_.emplace_back(Exchange{session, exchange});
  }
  void detach(SinkSession session) { turn_.emplace_back(session); }
  void append(Record record) { turn_.emplace_back(std::move(record)); }
  void audit(AuditEntry entry) { turn_.emplace_back(std::move(entry)); }
  /// One lock and one wake-up, however much there is.
  void flush();

  /// The next stream goes over this channel; one that stands goes on.
  void renew(std::shared_ptr<grpc::Channel> channel);

  /// The end: waits until everything is answered and the stream is closed in good order, or the time is up: then false.
  /// Nothing may be put in afterwards.
  bool drain(std::chrono::milliseconds patience);
  Stats stats() const;
  /// See RecordSink. Any thread.
  std::optional<WallTime> calendar(coap::Instant now) const;
  /// The stream stands. Any thread; takes no lock.
  bool connected() const { return connected_; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestResponse>;
  using Exchange = LaneQueue::Exchange;
  using Entry = std::variant<Attachment, Exchange, SinkSession, Record, AuditEntry>;  // SinkSession: it is detached

  void run();
  void keep_streaming();
  void close_in_order(Stream& stream);
  void serve(Stream& stream);
  void read(Stream& stream);
  bool take(const v1::IngestResponse& response);
  bool take_stamp(const v1::Stamp& stamp);
  bool take_answers(const v1::AppendResult& result);
  void complain();
  void note_first_answer();
  void note_loss(const grpc::Status& status);
  std::optional<v1::IngestRequest> next();
  void wait_before_retry();

  std::shared_ptr<grpc::Channel> channel_;  // changed between two streams, by the thread that opens them
  const Config config_;
  const Deliver deliver_;
  const Notice notice_;
  const Complain complain_;

  std::vector<Entry> turn_;  // put in since the last flush(); of the shard's thread

  mutable locks::Mutex mutex_;
  locks::Condition changed_;  // something to send, the stream broke, or the end
  LaneQueue queue_ GUARDED_BY(mutex_);
  grpc::ClientContext* context_ GUARDED_BY(mutex_) = nullptr;       // of the stream that stands, to end it
  std::shared_ptr<grpc::Channel> next_channel_ GUARDED_BY(mutex_);  // nullptr: the same
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool draining_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;      // run() has returned
  bool broken_ GUARDED_BY(mutex_) = false;        // the reading side has ended
  std::atomic<bool> connected_ = false;           // changed under the lock
  bool first_answer_ GUARDED_BY(mutex_) = false;  // of this stream
  bool told_loss_ GUARDED_BY(mutex_) = false;
  bool told_refusal_ GUARDED_BY(mutex_) = false;
  bool refused_ GUARDED_BY(mutex_) = false;  // the last stream
  std::uint64_t streams_ GUARDED_BY(mutex_) = 0;
  std::uint64_t refusals_ GUARDED_BY(mutex_) = 0;
  std::uint64_t handovers_ GUARDED_BY(mutex_) = 0;
  coap::Duration backoff_ GUARDED_BY(mutex_);

  std::thread thread_;  // last: it uses all of the above
};

/// `connected` becomes: both are.
void add(GrpcLane::Stats& sum, const GrpcLane::Stats& one);

}  // namespace wardlink::ingest

#include "ingest/sink/grpc_lane.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "coap/clock.hpp"
#include "ingest/sink/record_proto.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"

namespace wardlink::ingest {
namespace {

std::chrono::steady_clock::time_point steady(coap::Instant instant) {
  return std::chrono::steady_clock::now() + (instant - coap::host_now());
}

}  // namespace

GrpcLane::GrpcLane(std::shared_ptr<grpc::Channel> channel, const Config& config, Deliver deliver, Notice notice,
                   Complain complain)
    : channel_(std::move(channel)),
      config_(config),
      deliver_(std::move(deliver)),
      notice_(std::move(notice)),
      complain_(std::move(complain)),
      queue_(config.queue),
      backoff_(config.first_backoff),
      thread_([this] { run(); }) {}

GrpcLane::~GrpcLane() {
  {
    const locks::Lock lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  changed_.notify_all();
  thread_.join();
}

// -- from the shard ---------------------------------------------------------------------------------------------------

namespace {

/// Puts one entry of a turn into the queue.
struct PutInto {
  LaneQueue& queue;
  coap::Instant now;
  std::vector<SinkEvent>& answers;  // what is due at once

  void operator()(const Attachment& attachment) const {
    for (const auto& answer : queue.attach(attachment)) answers.emplace_back(answer);
  }
  void operator()(const LaneQueue::Exchange& exchange) const { queue.exchanged(exchange); }
  void operator()(SinkSession session) const { queue.detach(session); }
  void operator()(Record& record) const {
    for (const auto& answer : queue.append(std::move(record), now)) answers.emplace_back(answer);
  }
  void operator()(AuditEntry& entry) const { queue.audit(std::move(entry)); }
};

}  // namespace

void GrpcLane::flush() {
  if (turn_.empty()) return;
  std::vector<SinkEvent> answers;
  {
    const locks::Lock lock(mutex_);
    ++handovers_;
    const PutInto put{queue_, coap::host_now(), answers};
    for (Entry& entry : turn_) std::visit(put, entry);
  }
  changed_.notify_all();
  turn_.clear();
  if (!answers.empty()) deliver_(std::move(answers));
}

void GrpcLane::renew(std::shared_ptr<grpc::Channel> channel) {
  const locks::Lock lock(mutex_);
  next_channel_ = std::move(channel);
  if (!connected_ && context_ != nullptr)
    context_->TryCancel();  // it waits for a connection that is not wanted any more
}

bool GrpcLane::drain(std::chrono::milliseconds patience) {
  const locks::Lock lock(mutex_);
  draining_ = true;
  if (!connected_ && context_ != nullptr && queue_.drained()) context_->TryCancel();
  changed_.notify_all();
  return changed_.wait_for(mutex_, patience, [this]() REQUIRES(mutex_) { return finished_ && queue_.drained(); });
}

GrpcLane::Stats GrpcLane::stats() const {
  const locks::Lock lock(mutex_);
  return {queue_.counters(), queue_.size(), queue_.audits(), connected_, streams_, handovers_, refusals_};
}

std::optional<WallTime> GrpcLane::calendar(coap::Instant now) const {
  const locks::Lock lock(mutex_);
  return queue_.calendar(now);
}

// -- the stream's life ------------------------------------------------------------------------------------------------

void GrpcLane::run() {
  keep_streaming();
  const locks::Lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void GrpcLane::keep_streaming() {
  for (;;) {
    grpc::ClientContext context;
    {
      const locks::Lock lock(mutex_);
      if (stopping_ || (draining_ && queue_.drained())) return;
      if (next_channel_) channel_ = std::exchange(next_channel_, nullptr);
      context_ = &context;
      broken_ = false;
      first_answer_ = false;
      // The first failure is told, with its reason. From then on the call waits for the connection: gRPC's synchronous
      // client makes no progress with one unless a call is waiting.
      context.set_wait_for_ready(told_loss_);
    }
    const auto stub = v1::IngestService::NewStub(channel_);
    // Returns when the connection stands or, the first time, has failed; TryCancel ends the wait.
    const auto stream = stub->Ingest(&context);
    serve(*stream);
    const grpc::Status status = stream->Finish();
    {
      const locks::Lock lock(mutex_);
      context_ = nullptr;
      connected_ = false;
      // An end in good order says that storage has taken the audit entries too, which it does not answer.
      if (stopping_ || (status.ok() && draining_ && queue_.drained())) return;
      queue_.restart();
      if (draining_ && queue_.drained()) return;
    }
    note_loss(status);
    wait_before_retry();
  }
}

void GrpcLane::serve(Stream& stream) {
  std::thread reader([this, &stream] { read(stream); });
  while (const auto request = next())
    if (!stream.Write(*request)) break;
  close_in_order(stream);
  reader.join();  // it ends when the stream does: a failed Write() says that it has
}

/// All is answered: storage takes what is still in the pipe (audit entries), then ends the stream itself.
void GrpcLane::close_in_order(Stream& stream) {
  {
    const locks::Lock lock(mutex_);
    if (stopping_ || broken_) return;
  }
  stream.WritesDone();
  const locks::Lock lock(mutex_);
  changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || broken_; });
}

std::optional<v1::IngestRequest> GrpcLane::next() {
  const locks::Lock lock(mutex_);
  for (;;) {
    if (stopping_ || broken_) return std::nullopt;
    const auto outgoing = queue_.next(coap::host_now());
    const auto dropped = queue_.take_dropped();
    const auto complaints = queue_.take_complaints();
    if (outgoing || !dropped.empty() || !complaints.empty()) {
      const locks::Unlock unlock(mutex_);
      if (!dropped.empty()) deliver_({dropped.begin(), dropped.end()});
      for (const auto& sentence : complaints) complain_(sentence);
      if (!outgoing) continue;
      return to_proto(*outgoing);  // a batch stays where it is until it is answered, which comes after it was written
    }
    if (draining_ && queue_.drained()) return std::nullopt;
    if (const auto deadline = queue_.next_deadline())
      changed_.wait_until(mutex_, steady(*deadline));
    else
      changed_.wait(mutex_);
  }
}

void GrpcLane::read(Stream& stream) {
  stream.WaitForInitialMetadata();  // storage sends it once it has let this stream in
  if (channel_->GetState(false) == GRPC_CHANNEL_READY) {
    const locks::Lock lock(mutex_);
    connected_ = true;
    ++streams_;
  }
  v1::IngestResponse response;
  bool kept = true;
  while (kept && stream.Read(&response)) kept = take(response);
  {
    const locks::Lock lock(mutex_);
    broken_ = true;
    if (!kept) context_->TryCancel();
  }
  changed_.notify_all();
}

/// False: storage does not keep to the contract, so the stream is given up.
bool GrpcLane::take(const v1::IngestResponse& response) {
  note_first_answer();
  if (response.has_attach_all_result()) {
    const auto refused = refusals(response.attach_all_result());
    {
      const locks::Lock lock(mutex_);
      queue_.attach_answered(refused);
    }
    changed_.notify_all();
  }
  const bool kept = (!response.has_stamp() || take_stamp(response.stamp())) &&
                    (!response.has_append_result() || take_answers(response.append_result()));
  complain();
  return kept;
}

bool GrpcLane::take_stamp(const v1::Stamp& stamp) {
  const auto calendar = calendar_of(stamp);
  bool taken = false;
  {
    const locks::Lock lock(mutex_);
    taken = queue_.stamp_answered(stamp.number(), calendar, coap::host_now());
  }
  changed_.notify_all();
  return taken;
}

bool GrpcLane::take_answers(const v1::AppendResult& result) {
  const auto answers = from_proto(result);
  if (!answers) return false;
  std::optional<std::vector<RecordAnswered>> answered;
  {
    const locks::Lock lock(mutex_);
    answered = queue_.answer(result.batch(), *answers, coap::host_now());
  }
  if (!answered) return false;
  changed_.notify_all();
  if (!answered->empty()) deliver_({answered->begin(), answered->end()});
  return true;
}

void GrpcLane::complain() {
  std::vector<std::string> sentences;
  {
    const locks::Lock lock(mutex_);
    sentences = queue_.take_complaints();
  }
  for (const auto& sentence : sentences) complain_(sentence);
}

void GrpcLane::note_first_answer() {
  bool was_lost = false;
  {
    const locks::Lock lock(mutex_);
    if (std::exchange(first_answer_, true)) return;
    backoff_ = config_.first_backoff;
    was_lost = std::exchange(told_loss_, false);
    told_refusal_ = false;
  }
  if (was_lost) notice_({config_.queue.lane, true, ""});
  deliver_({StorageBack{config_.queue.lane}});
}

/// A loss is told once; that storage refuses is told as well, though the loss was known: an operator can mend it.
void GrpcLane::note_loss(const grpc::Status& status) {
  Change change{config_.queue.lane, false, status.ok() ? "it was closed" : status.error_message()};
  {
    const locks::Lock lock(mutex_);
    refused_ = change.refused = status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
    if (refused_) ++refusals_;
    change.known = std::exchange(told_loss_, true);
    const bool told = change.known && (!refused_ || told_refusal_);
    told_refusal_ = told_refusal_ || refused_;
    if (told) return;
  }
  notice_(change);
}

void GrpcLane::wait_before_retry() {
  const locks::Lock lock(mutex_);
  const auto pause = refused_ ? config_.refused_backoff : backoff_;
  changed_.wait_for(mutex_, pause, [this]() REQUIRES(mutex_) { return stopping_ || (draining_ && queue_.drained()); });
  if (!first_answer_) backoff_ = std::min(backoff_ * 2, config_.longest_backoff);
}

void add(GrpcLane::Stats& sum, const GrpcLane::Stats& one) {
  sum.queue.shed_vitals += one.queue.shed_vitals;
  sum.queue.shed_waveforms += one.queue.shed_waveforms;
  sum.queue.shed_quarantined += one.queue.shed_quarantined;
  sum.queue.alarms_refused += one.queue.alarms_refused;
  sum.queue.audits_dropped += one.queue.audits_dropped;
  sum.queue.appended += one.queue.appended;
  sum.queue.waited += one.queue.waited;
  sum.queue.resent += one.queue.resent;
  sum.queue.parked += one.queue.parked;
  sum.queue.attaches_refused += one.queue.attaches_refused;
  sum.queue.stamps_ignored += one.queue.stamps_ignored;
  sum.waiting += one.waiting;
  sum.audits += one.audits;
  sum.connected = sum.connected && one.connected;
  sum.streams += one.streams;
  sum.handovers += one.handovers;
  sum.refused += one.refused;
}

}  // namespace wardlink::ingest

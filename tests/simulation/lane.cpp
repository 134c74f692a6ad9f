#include "lane.hpp"

#include <algorithm>
#include <utility>

#include "ingest/sink/record_proto.hpp"

namespace wardlink::simulation {

Lane::Lane(Clock& clock, Storage& storage, const ingest::LaneQueue::Config& config, ingest::Deliver deliver)
    : clock_(clock),
      storage_(storage),
      deliver_(std::move(deliver)),
      config_(config),
      queue_(config),
      timer_(clock, [this] { pump(); }),
      written_(clock, [this] { written(); }),
      retry_(clock, [this] { connect(); }) {
  retry_.set(clock.now() + 1ms);
}

Lane::~Lane() {
  if (stream_) stream_->abandon();
}

void Lane::flush() {
  if (turn_.empty()) return;
  for (auto& entry : std::exchange(turn_, {})) std::visit([this](auto& what) { put(what); }, entry);
  kick();
}

void Lane::put(ingest::Attachment& attachment) {
  const auto answers = queue_.attach(attachment);
  if (!answers.empty()) deliver_({answers.begin(), answers.end()});
}

void Lane::put(ingest::Record& record) {
  const auto answers = queue_.append(std::move(record), clock_.now());
  if (!answers.empty()) deliver_({answers.begin(), answers.end()});
}

// -- the stream's life ------------------------------------------------------------------------------------------------

void Lane::connect() {
  stream_ = storage_.open(
      [this, alive = std::weak_ptr(alive_)](const auto& response) {
        if (!alive.expired()) take(response);
      },
      [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) lost();
      });
  first_answer_ = false;
  stream_ ? kick() : lost();
}

void Lane::lost() {
  stream_.reset();
  writing_ = false;
  written_.set({});
  queue_.restart();
  retry_.set(clock_.now() + backoff_);
  if (!first_answer_) backoff_ = std::min<coap::Duration>(backoff_ * 2, 2s);
}

void Lane::take(const v1::IngestResponse& response) {
  if (!std::exchange(first_answer_, true)) {
    backoff_ = 100ms;
    deliver_({ingest::StorageBack{config_.lane}});
  }
  if (response.has_stamp() &&
      !queue_.stamp_answered(response.stamp().number(), ingest::calendar_of(response.stamp()), clock_.now()))
    return stream_->lose(false);
  if (response.has_attach_all_result()) queue_.attach_answered(ingest::refusals(response.attach_all_result()));
  if (response.has_append_result()) {
    const auto answers = ingest::from_proto(response.append_result());
    const auto answered = answers ? queue_.answer(response.append_result().batch(), *answers, clock_.now())
                                  : std::optional<std::vector<ingest::RecordAnswered>>();
    if (!answered) return stream_->lose(false);
    if (!answered->empty()) deliver_({answered->begin(), answered->end()});
  }
  kick();
}

/// What is put in within one turn goes together.
void Lane::kick() {
  if (!stream_ || std::exchange(kicked_, true)) return;
  clock_.in(coap::Duration{0}, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    kicked_ = false;
    pump();
  });
}

/// One write at a time, as gRPC has it: what else is to go is drawn when it is done.
void Lane::pump() {
  if (!stream_ || writing_) return;
  if (const auto outgoing = queue_.next(clock_.now())) {
    writing_ = true;
    written_.set(clock_.now() + stream_->send(ingest::to_proto(*outgoing)));
  }
  const auto dropped = queue_.take_dropped();
  if (!dropped.empty()) deliver_({dropped.begin(), dropped.end()});
  queue_.take_complaints();
  timer_.set(queue_.next_deadline());
}

void Lane::written() {
  writing_ = false;
  pump();
}

// -- both -------------------------------------------------------------------------------------------------------------

namespace {

ingest::LaneQueue::Config config_of(ingest::Lane lane, bool narrow) {
  ingest::LaneQueue::Config config;
  config.lane = lane;
  if (lane == ingest::Lane::alarms) config.capacity = 262'144;
  if (narrow) config.batch = 4;
  if (narrow) config.device_alarms = 16;
  if (narrow && lane == ingest::Lane::readings) config.capacity = 200;
  return config;
}

}  // namespace

LaneSink::LaneSink(Clock& clock, Storage& storage, ingest::Deliver deliver, bool narrow, Reached reached,
                   Exchanged exchanged)
    : readings_(clock, storage, config_of(ingest::Lane::readings, narrow), deliver),
      alarms_(clock, storage, config_of(ingest::Lane::alarms, narrow), deliver),
      reached_(std::move(reached)),
      exchanged_(std::move(exchanged)) {}

void LaneSink::attach(const ingest::Attachment& attachment) {
  attached_[attachment.session] = {attachment.device, attachment.boot};
  // What is posted by hand counts in no clock.
  if (attachment.exchange) exchanged_(attachment.device, attachment.boot, *attachment.exchange);
  readings_.attach(attachment);
  alarms_.attach(attachment);
}

void LaneSink::exchanged(ingest::SinkSession session, const ingest::ClockExchange& exchange) {
  const auto at = attached_.find(session);
  if (at != attached_.end()) exchanged_(at->second.first, at->second.second, exchange);
  readings_.exchanged(session, exchange);
  alarms_.exchanged(session, exchange);
}

void LaneSink::detach(ingest::SinkSession session) {
  attached_.erase(session);
  readings_.detach(session);
  alarms_.detach(session);
}

void LaneSink::append(ingest::Record record) {
  const auto at = attached_.find(record.session);
  if (at != attached_.end()) reached_(at->second.first, at->second.second, record);
  (is_alarm(record.fact) ? alarms_ : readings_).append(std::move(record));
}

void LaneSink::audit(ingest::AuditEntry entry) { readings_.audit(std::move(entry)); }

void LaneSink::flush() {
  alarms_.flush();
  readings_.flush();
}

std::optional<ingest::WallTime> LaneSink::calendar(coap::Instant now) const { return readings_.queue().calendar(now); }

bool LaneSink::connected(ingest::Lane lane) const {
  return lane == ingest::Lane::alarms ? alarms_.connected() : readings_.connected();
}

}  // namespace wardlink::simulation

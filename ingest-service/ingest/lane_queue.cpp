#include "ingest/lane_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wardlink::ingest {
namespace {

bool is_run(const Record& record) { return std::holds_alternative<WaveformRun>(record.fact.body); }

}  // namespace

// -- from the shard ---------------------------------------------------------------------------------------------------

void LaneQueue::attach(const Attachment& attachment) {
  if (config_.stream == Stream::alarms) take_back_orphans(attachment);
  auto& session = sessions_[attachment.session];
  session.attachment = attachment;
  session.told = false;
  control_.push_back(attachment.session);
}

void LaneQueue::detach(SinkSession name) {
  const auto at = sessions_.find(name);
  if (at == sessions_.end()) return;
  if (!at->second.told && !at->second.retry && at->second.unanswered == 0) {
    sessions_.erase(at);  // nobody there has heard of it
    return;
  }
  if (!std::exchange(at->second.detached, true)) past_.emplace(at->second.attachment.device, name);
  release(at->second);
}

LaneQueue::Sessions::iterator LaneQueue::forget(Sessions::iterator at) {
  const auto [first, last] = past_.equal_range(at->second.attachment.device);
  const auto own = std::find_if(first, last, [&](const auto& one) { return one.second == at->first; });
  if (own != last) past_.erase(own);
  return sessions_.erase(at);
}

/// A detached session stays until its last record is answered.
void LaneQueue::release(Session& session) {
  if (session.detached && session.unanswered == 0) control_.push_back(session.attachment.session);
}

/// A device that is back sends again what was not acknowledged. What its past sessions left here would only pile up
/// with every session that it opens while storage is away. Most have left nothing: then nothing is searched, so that
/// many may come back at once.
void LaneQueue::take_back_orphans(const Attachment& attachment) {
  std::vector<SinkSession> orphans;
  const auto [first, last] = past_.equal_range(attachment.device);
  for (auto one = first; one != last; ++one) {
    const Session& session = sessions_.at(one->second);
    if (session.attachment.boot == attachment.boot && session.unanswered > 0) orphans.push_back(one->second);
  }
  if (orphans.empty()) return;
  const auto take_back = [&](std::deque<Record>& records) {
    const auto end = std::remove_if(records.begin(), records.end(), [&](const Record& record) {
      if (std::ranges::find(orphans, record.session) == orphans.end()) return false;
      ++counters_.superseded;
      --size_;
      Session& session = sessions_.at(record.session);
      --session.unanswered;
      release(session);
      return true;
    });
    records.erase(end, records.end());
  };
  take_back(waiting_);
  for (const SinkSession name : orphans) take_back(sessions_.at(name).parked);
}

RecordAnswered LaneQueue::drop(const Record& record, RecordResult result) {
  if (result == RecordResult::refused)
    ++counters_.alarms_refused;
  else if (std::holds_alternative<Quarantined>(record.fact.body))
    ++counters_.shed_quarantined;
  else
    ++(is_run(record) ? counters_.shed_waveforms : counters_.shed_vitals);
  return {record.session, record.ticket, record.fact.stream, result};
}

/// Sheds the oldest record that still waits: what remains is what a clinician needs most, the newest.
std::vector<RecordAnswered> LaneQueue::make_room() {
  if (size_ < config_.capacity || waiting_.empty()) return {};
  const Record oldest = std::move(waiting_.front());
  waiting_.pop_front();
  --size_;
  Session& session = sessions_.at(oldest.session);
  --session.unanswered;
  release(session);
  return {drop(oldest, RecordResult::shed)};
}

std::vector<RecordAnswered> LaneQueue::append(Record record) {
  const auto at = sessions_.find(record.session);
  const bool alarms = config_.stream == Stream::alarms;
  const RecordResult no_room = alarms ? RecordResult::refused : RecordResult::shed;
  if (at == sessions_.end()) return {drop(record, no_room)};
  if (is_run(record) && size_ >= config_.capacity / 2) return {drop(record, no_room)};
  std::vector<RecordAnswered> answered;
  if (!alarms) answered = make_room();
  if (size_ >= config_.capacity) return {drop(record, no_room)};
  ++counters_.appended;
  ++size_;
  ++at->second.unanswered;
  waiting_.push_back(std::move(record));
  return answered;
}

void LaneQueue::audit(AuditEntry entry) {
  if (audits_.size() >= config_.audit_capacity)
    ++counters_.audits_dropped;
  else
    audits_.push_back(std::move(entry));
}

// -- from the stream --------------------------------------------------------------------------------------------------

/// Storage handles one thing after the other, most with a COMMIT of its own. A whole ward may come at once, with an
/// attachment and audit entries each, or end at once: what a device measured is not to wait for the others'
/// formalities, nor to be lost behind them when this service ends.
std::optional<LaneQueue::Outgoing> LaneQueue::next(coap::Instant now) {
  unpark(now);
  if (auto records = next_batch()) return records;
  if (auto control = next_control()) return control;
  return next_audits();
}

std::optional<LaneQueue::Outgoing> LaneQueue::next_control() {
  Attachments attachments;
  for (; !control_.empty(); control_.pop_front()) {
    const auto at = sessions_.find(control_.front());
    if (at == sessions_.end()) continue;
    Session& session = at->second;
    if (session.detached && session.unanswered == 0) {
      if (!attachments.empty()) break;
      const Detachment detachment{at->first};
      const bool told = session.told;
      if (session.retry) --parked_sessions_;
      forget(at);
      if (!told) continue;
      control_.pop_front();
      return detachment;
    }
    // An alarm is to find nothing before it. But storage answers nothing else on a stream that has no records: by the
    // first attachment it shows that it is there.
    const bool ahead = config_.stream != Stream::alarms || !stream_begun_;
    if (session.told || session.retry || !ahead) continue;
    if (attaching_ > 0 || attachments.size() >= config_.attach_batch) break;
    tell(session, attachments);
  }
  return send(std::move(attachments));
}

void LaneQueue::tell(Session& session, Attachments& attachments) {
  stream_begun_ = true;
  session.told = true;
  attachments.push_back(session.attachment);
}

std::optional<LaneQueue::Outgoing> LaneQueue::send(Attachments attachments) {
  if (attachments.empty()) return std::nullopt;
  ++attaching_;
  return attachments;
}

void LaneQueue::attach_answered() {
  if (attaching_ > 0) --attaching_;
}

std::optional<LaneQueue::Outgoing> LaneQueue::next_audits() {
  if (audits_.empty()) return std::nullopt;
  std::vector<AuditEntry> entries;
  for (; !audits_.empty() && entries.size() < config_.batch; audits_.pop_front()) {
    entries.push_back(audits_.front());
    audits_sent_.emplace_back(last_batch_, std::move(audits_.front()));
    if (audits_sent_.size() > config_.audit_capacity) audits_sent_.pop_front();
  }
  return entries;
}

/// First the sessions that a batch would need, so that it is a full one.
std::optional<LaneQueue::Outgoing> LaneQueue::next_batch() {
  if (in_flight_.size() >= config_.in_flight) return std::nullopt;
  Attachments attachments;
  for (std::size_t i = 0; i < std::min(waiting_.size(), config_.batch); ++i) {
    Session& session = sessions_.at(waiting_[i].session);
    if (!session.told && !session.retry) tell(session, attachments);
  }
  if (!attachments.empty()) return send(std::move(attachments));
  auto records = take_batch();
  if (records.empty()) {
    if (!waiting_.empty()) tell(sessions_.at(waiting_.front().session), attachments);
    return send(std::move(attachments));
  }
  const auto at = in_flight_.emplace(++last_batch_, std::move(records)).first;
  return Batch{at->first, &at->second};
}

/// As far as their sessions are attached. What belongs to one that storage would not attach goes out of the way.
std::vector<Record> LaneQueue::take_batch() {
  std::vector<Record> records;
  while (!waiting_.empty() && records.size() < config_.batch) {
    Session& session = sessions_.at(waiting_.front().session);
    if (!session.told && !session.retry) break;
    if (session.retry)
      session.parked.push_back(std::move(waiting_.front()));
    else
      records.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return records;
}

std::optional<coap::Instant> LaneQueue::next_deadline() const {
  std::optional<coap::Instant> earliest;
  if (parked_sessions_ == 0) return earliest;
  for (const auto& [name, session] : sessions_)
    if (session.retry && (!earliest || *session.retry < *earliest)) earliest = session.retry;
  return earliest;
}

void LaneQueue::unpark(coap::Instant now) {
  if (parked_sessions_ == 0) return;
  for (auto& [name, session] : sessions_) {
    if (!session.retry || now < *session.retry) continue;
    session.retry.reset();
    --parked_sessions_;
    session.told = false;
    control_.push_back(name);
    waiting_.insert(waiting_.begin(), std::make_move_iterator(session.parked.begin()),
                    std::make_move_iterator(session.parked.end()));
    session.parked.clear();
  }
}

std::optional<std::vector<RecordAnswered>> LaneQueue::answer(std::uint64_t batch,
                                                             const std::vector<StorageAnswer>& answers,
                                                             coap::Instant now) {
  const auto at = in_flight_.find(batch);
  if (at == in_flight_.end() || at->second.size() != answers.size()) return std::nullopt;
  std::vector<Record> records = std::move(at->second);
  in_flight_.erase(at);
  while (!audits_sent_.empty() && audits_sent_.front().first < batch) audits_sent_.pop_front();
  std::vector<RecordAnswered> answered;
  answered.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) settle(std::move(records[i]), answers[i], now, answered);
  return answered;
}

void LaneQueue::settle(Record record, StorageAnswer answer, coap::Instant now, std::vector<RecordAnswered>& answered) {
  Session& session = sessions_.at(record.session);
  if (answer == StorageAnswer::not_attached) {
    // Only this session waits; the others go on.
    ++counters_.parked;
    if (!session.retry) ++parked_sessions_;
    session.retry = now + config_.park;
    session.parked.push_back(std::move(record));
    return;
  }
  const auto result = static_cast<RecordResult>(answer);
  answered.push_back({record.session, record.ticket, record.fact.stream, result});
  --size_;
  --session.unanswered;
  release(session);
}

void LaneQueue::restart() {
  for (auto& [name, session] : sessions_) {
    if (session.retry) {
      --parked_sessions_;
      session.retry.reset();
    }
    waiting_.insert(waiting_.begin(), std::make_move_iterator(session.parked.begin()),
                    std::make_move_iterator(session.parked.end()));
    session.parked.clear();
  }
  for (auto at = in_flight_.rbegin(); at != in_flight_.rend(); ++at) {
    counters_.resent += at->second.size();
    waiting_.insert(waiting_.begin(), std::make_move_iterator(at->second.begin()),
                    std::make_move_iterator(at->second.end()));
  }
  in_flight_.clear();
  for (auto at = audits_sent_.rbegin(); at != audits_sent_.rend(); ++at) audits_.push_front(std::move(at->second));
  audits_sent_.clear();
  control_.clear();
  stream_begun_ = false;
  attaching_ = 0;
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    at->second.told = false;
    if (at->second.detached && at->second.unanswered == 0) {
      at = forget(at);
    } else {
      control_.push_back(at->first);
      ++at;
    }
  }
}

}  // namespace wardlink::ingest

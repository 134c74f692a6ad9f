#include "ingest/sink/lane_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wardlink::ingest {
namespace {

bool is_run(const Record& record) { return std::holds_alternative<WaveformRun>(record.fact.body); }

}  // namespace

LaneQueue::LaneQueue(const Config& config)
    : config_(config),
      turns_(config.quantum),
      parking_(config.park, config.longest_park),
      audits_({config.audit_capacity, config.audit_pause, config.audit_batch}),
      stamps_(config.stamps) {}

// -- from the shard ---------------------------------------------------------------------------------------------------

std::vector<RecordAnswered> LaneQueue::attach(const Attachment& attachment) {
  std::vector<RecordAnswered> answered;
  if (config_.lane == Lane::alarms) answered = take_back_orphans(attachment);
  auto& session = sessions_[attachment.session];
  session.attachment = attachment;
  session.told = false;
  if (session.device == nullptr) {
    auto [at, is_new] = devices_.try_emplace(attachment.device);
    if (is_new) at->second.number = ++last_device_;
    session.device = &at->second;
    ++session.device->sessions;
  }
  control_.push_back(attachment.session);
  return answered;
}

void LaneQueue::exchanged(const Exchange& news) {
  const auto at = sessions_.find(news.session);
  if (at == sessions_.end()) return;
  at->second.attachment.exchange = news.exchange;
  if (!std::exchange(at->second.news, true)) control_.push_back(news.session);
}

void LaneQueue::detach(SinkSession name) {
  const auto at = sessions_.find(name);
  if (at == sessions_.end()) return;
  if (!at->second.told && !at->second.retry && at->second.unanswered == 0) {
    forget(at);  // nobody there has heard of it
    return;
  }
  if (!std::exchange(at->second.detached, true)) at->second.device->past.insert(name);
  release(at->second);
}

LaneQueue::Sessions::iterator LaneQueue::forget(Sessions::iterator at) {
  LaneSession& session = at->second;
  LaneDevice& device = *session.device;
  parking_.forget(session);
  turns_.forget(session);
  device.past.erase(at->first);
  if (--device.sessions == 0) {
    turns_.forget(device);
    devices_.erase(session.attachment.device);
  }
  return sessions_.erase(at);
}

/// One of its records less.
void LaneQueue::settled(LaneSession& session) {
  --size_;
  --session.unanswered;
  --session.device->unanswered;
  release(session);
}

/// A detached session stays until its last record is answered.
void LaneQueue::release(LaneSession& session) {
  if (session.detached && session.unanswered == 0) control_.push_back(session.attachment.session);
}

/// A device that is back sends again what was not acknowledged. What its past sessions left here would only pile up
/// with every session that it opens while storage is away. Most have left nothing: then nothing is searched, so that
/// many may come back at once.
std::vector<RecordAnswered> LaneQueue::take_back_orphans(const Attachment& attachment) {
  const auto device = devices_.find(attachment.device);
  if (device == devices_.end()) return {};
  std::set<SinkSession> orphans;
  for (const SinkSession name : device->second.past) {
    const LaneSession& session = sessions_.at(name);
    if (session.attachment.boot == attachment.boot && session.unanswered > 0) orphans.insert(name);
  }
  if (orphans.empty()) return {};
  std::vector<RecordAnswered> answered;
  const auto take_back = [&](const Record& record) {
    if (!orphans.contains(record.session)) return false;
    answered.push_back({record.session, record.ticket, record.fact.stream, RecordResult::superseded});
    settled(sessions_.at(record.session));
    return true;
  };
  std::erase_if(resend_, take_back);
  std::erase_if(staged_, take_back);
  attached_ = 0;
  for (const SinkSession name : orphans) {
    LaneSession& session = sessions_.at(name);
    while (!session.waiting.empty()) take_back(turns_.take_oldest(session));
    std::erase_if(session.parked, take_back);
  }
  return answered;
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

/// Sheds the oldest record that still waits of the greediest device: what remains is what a clinician needs most, the
/// newest, and all of it of those who send little.
std::vector<RecordAnswered> LaneQueue::make_room() {
  LaneSession* session = size_ < config_.capacity ? nullptr : turns_.greediest();
  if (session == nullptr) return {};
  const Record oldest = turns_.take_oldest(*session);
  settled(*session);
  return {drop(oldest, RecordResult::shed)};
}

std::vector<RecordAnswered> LaneQueue::append(Record record, coap::Instant now) {
  const auto at = sessions_.find(record.session);
  const bool alarms = config_.lane == Lane::alarms;
  const RecordResult no_room = alarms ? RecordResult::refused : RecordResult::shed;
  if (at == sessions_.end()) return {drop(record, no_room)};
  LaneSession& session = at->second;
  const bool too_much_parked = session.retry && session.device->unanswered >= config_.device_parked;
  if (!alarms && too_much_parked) return {drop(record, no_room)};
  if (is_run(record) && size_ >= config_.capacity / 2) return {drop(record, no_room)};
  if (alarms && session.device->unanswered >= config_.device_alarms) return {drop(record, no_room)};
  std::vector<RecordAnswered> answered;
  if (!alarms) answered = make_room();
  if (size_ >= config_.capacity) return {drop(record, no_room)};
  ++counters_.appended;
  ++size_;
  ++session.unanswered;
  ++session.device->unanswered;
  turns_.put_last(session, {std::move(record), now});
  return answered;
}

void LaneQueue::audit(AuditEntry entry) {
  if (!audits_.put(std::move(entry))) ++counters_.audits_dropped;
}

// -- from the stream --------------------------------------------------------------------------------------------------

/// Storage handles one thing after the other, most with a COMMIT of its own. A whole ward may come at once, with an
/// attachment and audit entries each, or end at once: what a device measured is not to wait for the others'
/// formalities, nor to be lost behind them when this service ends.
std::optional<LaneQueue::Outgoing> LaneQueue::next(coap::Instant now) {
  unpark(now);
  if (const auto stamp = stamps_.ask(now)) return StampRequest{*stamp};
  note_overdue_stamp(now);
  if (!stamps_.best()) return std::nullopt;
  if (auto records = next_batch(now)) return records;
  if (auto control = next_control()) return control;
  if (auto entries = audits_.next(last_batch_, now); !entries.empty()) return entries;
  return std::nullopt;
}

void LaneQueue::note_overdue_stamp(coap::Instant now) {
  if (!stamps_.take_overdue(now)) return;
  ++counters_.stamps_ignored;
  complaints_.push_back(
      "storage does not answer stamps: if it is older than this ingest, upgrade wardlink-storage first; until then"
      " nothing is stored");
}

std::optional<LaneQueue::Outgoing> LaneQueue::next_control() {
  std::vector<Attachment> attachments;
  for (; !control_.empty(); control_.pop_front()) {
    const auto at = sessions_.find(control_.front());
    if (at == sessions_.end()) continue;
    LaneSession& session = at->second;
    if (session.detached && session.unanswered == 0) {
      if (!attachments.empty()) break;
      const Detachment detachment{at->first};
      const bool told = session.told;
      forget(at);
      if (!told) continue;
      control_.pop_front();
      return detachment;
    }
    // An alarm is to find nothing before it. But storage answers nothing else on a stream that has no records: by the
    // first attachment it shows that it is there.
    const bool ahead = config_.lane != Lane::alarms || !stream_begun_;
    const bool due = session.told ? session.news : ahead;
    if (session.retry || !due) continue;
    if (attaching_ > 0 || attachments.size() >= config_.attach_batch) break;
    tell(session, attachments);
  }
  return send(std::move(attachments));
}

void LaneQueue::tell(LaneSession& session, std::vector<Attachment>& attachments) {
  stream_begun_ = true;
  session.told = true;
  session.news = false;
  attachments.push_back(session.attachment);
}

std::optional<LaneQueue::Outgoing> LaneQueue::send(std::vector<Attachment> attachments) {
  if (attachments.empty()) return std::nullopt;
  ++attaching_;
  return Attachments{std::move(attachments), *stamps_.best()};
}

void LaneQueue::attach_answered(const std::vector<Refusal>& refused) {
  if (attaching_ > 0) --attaching_;
  counters_.attaches_refused += refused.size();
  for (const auto& [name, why] : refused) {
    const auto at = sessions_.find(name);
    if (at == sessions_.end() || std::exchange(at->second.refused, true)) continue;
    const std::string what = config_.lane == Lane::alarms ? "alarms, which are not acknowledged," : "readings";
    complaints_.push_back("storage does not attach " + at->second.attachment.device + " (" + why + "): its " + what +
                          " wait, and are tried again more and more seldom");
  }
}

/// First the sessions that a batch needs, so that it is a full one.
std::optional<LaneQueue::Outgoing> LaneQueue::next_batch(coap::Instant now) {
  if (in_flight_.size() >= config_.in_flight) return std::nullopt;
  note_caught_up(now);
  stage(now);
  std::vector<Attachment> attachments;
  for (; attached_ < staged_.size(); ++attached_) {
    LaneSession& session = sessions_.at(staged_[attached_].session);
    if (!session.told) tell(session, attachments);
  }
  if (!attachments.empty()) return send(std::move(attachments));
  if (staged_.empty()) return std::nullopt;
  attached_ = 0;
  const auto at = in_flight_.emplace(++last_batch_, InFlight{std::exchange(staged_, {}), now}).first;
  for (const Record& record : at->second.records) ++sessions_.at(record.session).in_flight;
  return Batch{at->first, &at->second.records, *stamps_.best()};
}

void LaneQueue::stage(coap::Instant now) {
  for (; staged_.size() < config_.batch && !resend_.empty(); resend_.pop_front())
    staged_.push_back(std::move(resend_.front()));
  while (staged_.size() < config_.batch) {
    auto record = pick(now);
    if (!record) break;
    staged_.push_back(std::move(*record));
  }
}

std::optional<Record> LaneQueue::pick(coap::Instant now) {
  while (LaneSession* session = turns_.first()) {
    if (!is_too_old(*session, now)) {
      if (auto record = turns_.serve(*session)) return record;
      continue;
    }
    const Record record = turns_.take_oldest(*session);
    ++counters_.waited;
    dropped_.push_back({record.session, record.ticket, record.fact.stream, RecordResult::shed});
    settled(*session);
  }
  return std::nullopt;
}

bool LaneQueue::is_too_old(const LaneSession& session, coap::Instant now) const {
  if (config_.lane == Lane::alarms || !caught_up_) return false;
  const auto since = session.waiting.front().since;
  return since >= *caught_up_ && since > session.unparked && now - since > config_.longest_wait;
}

/// What piled up while storage was away is kept, however long it takes: nothing is too old before all of it has gone.
void LaneQueue::note_caught_up(coap::Instant now) {
  if (!in_flight_.empty() && now - in_flight_.begin()->second.sent > config_.longest_answer) answers_ = false;
  if (!answers_)
    caught_up_.reset();
  else if (!caught_up_ && turns_.empty() && resend_.empty())
    caught_up_ = now;
}

std::optional<coap::Instant> LaneQueue::next_deadline() const {
  std::optional<coap::Instant> earliest;
  const auto audits = stamps_.best() ? audits_.next_deadline() : std::nullopt;  // before that nothing goes
  for (const auto& one : {stamps_.next_deadline(), audits, parking_.next_deadline()})
    if (one && (!earliest || *one < *earliest)) earliest = one;
  return earliest;
}

// -- what comes back --------------------------------------------------------------------------------------------------

/// Storage would not take it: only its session waits, the others go on.
void LaneQueue::park(Record record, LaneSession& session, coap::Instant now) {
  ++counters_.parked;
  if (parking_.park(session, now)) turns_.suspend(session);
  session.parked.push_back(std::move(record));
}

/// What was about to go of sessions that are parked now waits with them, in order.
void LaneQueue::set_parked_aside() {
  const auto is_parked = [this](const Record& record) { return sessions_.at(record.session).retry.has_value(); };
  const auto aside = [&](auto& records) {
    for (auto at = records.rbegin(); at != records.rend(); ++at)
      if (is_parked(*at)) turns_.put_first(sessions_.at(at->session), {*at, coap::Instant::min()});
    std::erase_if(records, is_parked);
  };
  aside(resend_);
  aside(staged_);
  attached_ = 0;
}

void LaneQueue::unpark(LaneSession& session, coap::Instant when) {
  parking_.leave(session, when);
  session.told = false;
  attached_ = 0;
  turns_.resume(session);
  for (; !session.parked.empty(); session.parked.pop_back())
    turns_.put_first(session, {std::move(session.parked.back()), session.unparked});
}

void LaneQueue::unpark(coap::Instant now) {
  while (const auto name = parking_.due(now)) {
    unpark(sessions_.at(*name), now);
    control_.push_back(*name);
  }
}

std::optional<std::vector<RecordAnswered>> LaneQueue::answer(std::uint64_t batch,
                                                             const std::vector<StorageAnswer>& answers,
                                                             coap::Instant now) {
  const auto at = in_flight_.find(batch);
  if (at == in_flight_.end() || at->second.records.size() != answers.size()) return std::nullopt;
  std::vector<Record> records = std::move(at->second.records);
  answers_ = now - at->second.sent <= config_.longest_answer;
  in_flight_.erase(at);
  note_caught_up(now);
  audits_.answered(batch);
  std::vector<RecordAnswered> answered;
  answered.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) settle(std::move(records[i]), answers[i], now, answered);
  if (answered.size() < records.size()) set_parked_aside();
  return answered;
}

void LaneQueue::settle(Record record, StorageAnswer answer, coap::Instant now, std::vector<RecordAnswered>& answered) {
  LaneSession& session = sessions_.at(record.session);
  --session.in_flight;
  const auto result = result_of(answer);
  if (!result) {
    park(std::move(record), session, now);
  } else {
    answered.push_back({record.session, record.ticket, record.fact.stream, *result});
    session.pause = {};
    settled(session);
  }
  // What is still in flight may come back too, and goes behind what is parked, before what was put in later.
  if (session.retry && session.in_flight == 0) parking_.settle(session);
}

/// What was in flight goes again before all else, and of each session in order.
void LaneQueue::take_back_sent() {
  std::deque<Record> again;
  const auto take = [&](Record& record) {
    LaneSession& session = sessions_.at(record.session);
    if (session.retry)
      session.parked.push_back(std::move(record));
    else
      again.push_back(std::move(record));
  };
  for (auto& [number, batch] : in_flight_) {
    counters_.resent += batch.records.size();
    std::ranges::for_each(batch.records, take);
  }
  std::ranges::for_each(staged_, take);
  std::ranges::for_each(resend_, take);
  in_flight_.clear();
  staged_.clear();
  attached_ = 0;
  resend_ = std::move(again);
}

void LaneQueue::restart() {
  take_back_sent();
  for (auto& [name, session] : sessions_) {
    session.in_flight = 0;
    session.pause = {};
    if (session.retry) unpark(session, *session.retry);
  }
  answers_ = false;
  caught_up_.reset();
  audits_.restart();
  stamps_.restart();
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

#include "ingest/sink/lane_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wardlink::ingest {
namespace {

bool is_run(const Record& record) { return std::holds_alternative<WaveformRun>(record.fact.body); }

/// Roughly what a record takes on its way, bytes.
std::size_t size_of(const Record& record) {
  constexpr std::size_t key = 64;
  struct Body {
    std::size_t operator()(const SignValues& set) const { return set.values.size() * 16; }
    std::size_t operator()(const AlarmFact& alarm) const { return 64 + alarm.code.size(); }
    std::size_t operator()(const WaveformRun& run) const { return run.samples.size(); }
    std::size_t operator()(const Quarantined& raw) const { return raw.payload.size() + raw.resource.size(); }
  };
  return key + std::visit(Body{}, record.fact.body);
}

/// Empty: storage has not taken the record.
std::optional<RecordResult> result_of(StorageAnswer answer) {
  switch (answer) {
    case StorageAnswer::committed:
      return RecordResult::committed;
    case StorageAnswer::duplicate:
      return RecordResult::duplicate;
    case StorageAnswer::quarantined:
      return RecordResult::quarantined;
    case StorageAnswer::not_attached:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

// -- from the shard ---------------------------------------------------------------------------------------------------

void LaneQueue::attach(const Attachment& attachment) {
  if (config_.lane == Lane::alarms) take_back_orphans(attachment);
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
  Session& session = at->second;
  Device& device = *session.device;
  if (session.retry) parked_.erase({*session.retry, at->first});
  if (session.active) std::erase(device.active, at->first);
  device.past.erase(at->first);
  if (--device.sessions == 0) {
    if (device.in_ring) std::erase(ring_, &device);
    devices_.erase(session.attachment.device);
  }
  return sessions_.erase(at);
}

/// One of its records less.
void LaneQueue::settled(Session& session) {
  --size_;
  --session.unanswered;
  --session.device->unanswered;
  release(session);
}

/// A detached session stays until its last record is answered.
void LaneQueue::release(Session& session) {
  if (session.detached && session.unanswered == 0) control_.push_back(session.attachment.session);
}

/// A device that is back sends again what was not acknowledged. What its past sessions left here would only pile up
/// with every session that it opens while storage is away. Most have left nothing: then nothing is searched, so that
/// many may come back at once.
void LaneQueue::take_back_orphans(const Attachment& attachment) {
  const auto device = devices_.find(attachment.device);
  if (device == devices_.end()) return;
  std::set<SinkSession> orphans;
  for (const SinkSession name : device->second.past) {
    const Session& session = sessions_.at(name);
    if (session.attachment.boot == attachment.boot && session.unanswered > 0) orphans.insert(name);
  }
  if (orphans.empty()) return;
  const auto take_back = [&](const Record& record) {
    if (!orphans.contains(record.session)) return false;
    ++counters_.superseded;
    settled(sessions_.at(record.session));
    return true;
  };
  std::erase_if(resend_, take_back);
  std::erase_if(staged_, take_back);
  attached_ = 0;
  for (const SinkSession name : orphans) {
    Session& session = sessions_.at(name);
    while (!session.waiting.empty()) take_back(take_first(session));
    std::erase_if(session.parked, take_back);
  }
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
  if (size_ < config_.capacity || greed_.empty()) return {};
  Session& session = *turn_of(*std::get<Device*>(*greed_.rbegin()));
  const Record oldest = take_first(session);
  settled(session);
  return {drop(oldest, RecordResult::shed)};
}

std::vector<RecordAnswered> LaneQueue::append(Record record, coap::Instant now) {
  const auto at = sessions_.find(record.session);
  const bool alarms = config_.lane == Lane::alarms;
  const RecordResult no_room = alarms ? RecordResult::refused : RecordResult::shed;
  if (at == sessions_.end()) return {drop(record, no_room)};
  Session& session = at->second;
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
  put(session, {std::move(record), now}, false);
  return answered;
}

// -- whose turn it is -------------------------------------------------------------------------------------------------

void LaneQueue::weigh(Device& device, std::size_t bytes) {
  if (device.bytes != 0) greed_.erase({device.bytes, device.number, &device});
  device.bytes = bytes;
  if (bytes != 0) greed_.emplace(bytes, device.number, &device);
}

void LaneQueue::put(Session& session, Waiting waiting, bool first) {
  const auto size = size_of(waiting.record);
  session.bytes += size;
  if (!session.retry) weigh(*session.device, session.device->bytes + size);
  first ? session.waiting.push_front(std::move(waiting)) : session.waiting.push_back(std::move(waiting));
  activate(session);
}

Record LaneQueue::take_first(Session& session) {
  Record record = std::move(session.waiting.front().record);
  session.waiting.pop_front();
  const auto size = size_of(record);
  session.bytes -= size;
  if (!session.retry) weigh(*session.device, session.device->bytes - size);
  return record;
}

void LaneQueue::activate(Session& session) {
  if (session.retry || session.waiting.empty()) return;
  Device& device = *session.device;
  if (!std::exchange(session.active, true)) device.active.push_back(session.attachment.session);
  if (!std::exchange(device.in_ring, true)) ring_.push_back(&device);
}

/// The session whose record is the device's next; nullptr where nothing waits.
LaneQueue::Session* LaneQueue::turn_of(Device& device) {
  for (; !device.active.empty(); device.active.pop_front()) {
    Session& session = sessions_.at(device.active.front());
    if (!session.retry && !session.waiting.empty()) return &session;
    session.active = false;
  }
  return nullptr;
}

/// M. Shreedhar and G. Varghese, "Efficient fair queueing using deficit round robin", 1995.
std::optional<Record> LaneQueue::pick(coap::Instant now) {
  while (!ring_.empty()) {
    Device& device = *ring_.front();
    Session* session = turn_of(device);
    if (session != nullptr && is_too_old(*session, now)) {
      const Record record = take_first(*session);
      ++counters_.waited;
      dropped_.push_back({record.session, record.ticket, record.fact.stream, RecordResult::shed});
      settled(*session);
      continue;
    }
    if (session != nullptr && !std::exchange(device.in_turn, true)) device.deficit += config_.quantum;
    if (session != nullptr && device.deficit >= size_of(session->waiting.front().record)) {
      Record record = take_first(*session);
      device.deficit -= size_of(record);
      return record;
    }
    ring_.pop_front();
    device.in_turn = false;
    device.in_ring = session != nullptr;
    if (session != nullptr)
      ring_.push_back(&device);
    else
      device.deficit = 0;
  }
  return std::nullopt;
}

bool LaneQueue::is_too_old(const Session& session, coap::Instant now) const {
  if (config_.lane == Lane::alarms || !caught_up_) return false;
  const auto since = session.waiting.front().since;
  return since >= *caught_up_ && since > session.unparked && now - since > config_.longest_wait;
}

/// What piled up while storage was away is kept, however long it takes: nothing is too old before all of it has gone.
void LaneQueue::note_caught_up(coap::Instant now) {
  if (!in_flight_.empty() && now - in_flight_.begin()->second.sent > config_.longest_answer) answers_ = false;
  if (!answers_)
    caught_up_.reset();
  else if (!caught_up_ && greed_.empty() && resend_.empty())
    caught_up_ = now;
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
  if (auto records = next_batch(now)) return records;
  if (auto control = next_control()) return control;
  return next_audits(now);
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
      forget(at);
      if (!told) continue;
      control_.pop_front();
      return detachment;
    }
    // An alarm is to find nothing before it. But storage answers nothing else on a stream that has no records: by the
    // first attachment it shows that it is there.
    const bool ahead = config_.lane != Lane::alarms || !stream_begun_;
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
  ++attachments_;
  return attachments;
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

std::optional<LaneQueue::Outgoing> LaneQueue::next_audits(coap::Instant now) {
  if (audits_.empty() || now < audits_due_) return std::nullopt;
  audits_due_ = now + config_.audit_pause;
  std::vector<AuditEntry> entries;
  for (; !audits_.empty() && entries.size() < config_.audit_batch; audits_.pop_front()) {
    entries.push_back(audits_.front());
    audits_sent_.emplace_back(last_batch_, std::move(audits_.front()));
    if (audits_sent_.size() > config_.audit_capacity) audits_sent_.pop_front();
  }
  return entries;
}

/// First the sessions that a batch needs, so that it is a full one.
std::optional<LaneQueue::Outgoing> LaneQueue::next_batch(coap::Instant now) {
  if (in_flight_.size() >= config_.in_flight) return std::nullopt;
  note_caught_up(now);
  stage(now);
  Attachments attachments;
  for (; attached_ < staged_.size(); ++attached_) {
    Session& session = sessions_.at(staged_[attached_].session);
    if (!session.told) tell(session, attachments);
  }
  if (!attachments.empty()) return send(std::move(attachments));
  if (staged_.empty()) return std::nullopt;
  attached_ = 0;
  const auto at = in_flight_.emplace(++last_batch_, InFlight{std::exchange(staged_, {}), now, attachments_}).first;
  for (const Record& record : at->second.records) ++sessions_.at(record.session).in_flight;
  return Batch{at->first, &at->second.records};
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

std::optional<coap::Instant> LaneQueue::next_deadline() const {
  std::optional<coap::Instant> earliest;
  if (!audits_.empty()) earliest = audits_due_;
  if (!parked_.empty() && (!earliest || parked_.begin()->first < *earliest)) earliest = parked_.begin()->first;
  return earliest;
}

void LaneQueue::park(Session& session, coap::Instant now) {
  if (session.retry) return;
  session.pause = session.pause == coap::Duration{} ? config_.park : std::min(session.pause * 2, config_.longest_park);
  session.retry = now + session.pause;
  weigh(*session.device, session.device->bytes - session.bytes);
}

/// What was about to go of sessions that are parked now waits with them, in order.
void LaneQueue::set_parked_aside() {
  const auto is_parked = [this](const Record& record) { return sessions_.at(record.session).retry.has_value(); };
  const auto aside = [&](auto& records) {
    for (auto at = records.rbegin(); at != records.rend(); ++at)
      if (is_parked(*at)) put(sessions_.at(at->session), {*at, coap::Instant::min()}, true);
    std::erase_if(records, is_parked);
  };
  aside(resend_);
  aside(staged_);
  attached_ = 0;
}

void LaneQueue::unpark(Session& session, coap::Instant when) {
  parked_.erase({*session.retry, session.attachment.session});
  session.unparked = when;
  session.retry.reset();
  session.told = false;
  attached_ = 0;
  weigh(*session.device, session.device->bytes + session.bytes);
  for (; !session.parked.empty(); session.parked.pop_back())
    put(session, {std::move(session.parked.back()), session.unparked}, true);
  activate(session);
}

void LaneQueue::unpark(coap::Instant now) {
  while (!parked_.empty() && parked_.begin()->first <= now) {
    const SinkSession name = parked_.begin()->second;
    unpark(sessions_.at(name), now);
    control_.push_back(name);
  }
}

std::optional<std::vector<RecordAnswered>> LaneQueue::answer(std::uint64_t batch,
                                                             const std::vector<StorageAnswer>& answers,
                                                             coap::Instant now) {
  const auto at = in_flight_.find(batch);
  if (at == in_flight_.end() || at->second.records.size() != answers.size()) return std::nullopt;
  note_ignored(at->second, answers);
  std::vector<Record> records = std::move(at->second.records);
  answers_ = now - at->second.sent <= config_.longest_answer;
  in_flight_.erase(at);
  note_caught_up(now);
  while (!audits_sent_.empty() && audits_sent_.front().first < batch) audits_sent_.pop_front();
  std::vector<RecordAnswered> answered;
  answered.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) settle(std::move(records[i]), answers[i], now, answered);
  if (answered.size() < records.size()) set_parked_aside();
  return answered;
}

/// The stream is handled in order: what was sent before the batch is answered before it, if ever.
void LaneQueue::note_ignored(const InFlight& batch, const std::vector<StorageAnswer>& answers) {
  if (batch.attachments <= attachments_ - attaching_) return;
  if (!std::ranges::all_of(answers, [](auto each) { return each == StorageAnswer::not_attached; })) return;
  ++counters_.attaches_ignored;
  if (std::exchange(told_ignored_, true)) return;
  complaints_.push_back(
      "storage does not know AttachAll: upgrade wardlink-storage first; until then nothing is stored");
}

void LaneQueue::settle(Record record, StorageAnswer answer, coap::Instant now, std::vector<RecordAnswered>& answered) {
  Session& session = sessions_.at(record.session);
  --session.in_flight;
  const auto result = result_of(answer);
  if (!result) {
    // Only this session waits; the others go on.
    ++counters_.parked;
    park(session, now);
    session.parked.push_back(std::move(record));
  } else {
    answered.push_back({record.session, record.ticket, record.fact.stream, *result});
    session.pause = {};
    settled(session);
  }
  // What is still in flight may come back too, and goes behind what is parked, before what was put in later.
  if (session.retry && session.in_flight == 0) parked_.emplace(*session.retry, session.attachment.session);
}

/// What was in flight goes again before all else, and of each session in order.
void LaneQueue::restart() {
  std::deque<Record> again;
  const auto take = [&](Record& record) {
    Session& session = sessions_.at(record.session);
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
  for (auto& [name, session] : sessions_) {
    session.in_flight = 0;
    session.pause = {};
    if (session.retry) unpark(session, *session.retry);
  }
  answers_ = false;
  caught_up_.reset();
  for (auto at = audits_sent_.rbegin(); at != audits_sent_.rend(); ++at) audits_.push_front(std::move(at->second));
  audits_sent_.clear();
  audits_due_ = {};
  control_.clear();
  stream_begun_ = false;
  attaching_ = 0;
  told_ignored_ = false;
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

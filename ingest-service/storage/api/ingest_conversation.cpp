#include "storage/api/ingest_conversation.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

#include "storage/port/store_error.hpp"
#include "storage/wire/enums.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/records.hpp"

namespace wardlink::storage {
namespace {

const char* refusal(const v1::Attach& request) {
  if (!is_urn(request.device())) return "device: must be a URN of at most 63 characters";
  if (request.boot() >= (1ULL << 53)) return "boot: must be below 2^53";
  return nullptr;
}

/// Half of what a reading of the calendar takes dates everything wrong. One for which the database was waited for, or a
/// connection to it made, is taken again; a database that is always slow is asked no more than three times.
constexpr auto quick_reading = std::chrono::milliseconds{100};

/// Of a device's clock; one that is ahead of it is taken for it.
constexpr std::uint64_t highest_tick = (1ULL << 53) - 1;

/// An hour: no exchange that is wrong by more says anything.
constexpr std::uint64_t longest_us = std::chrono::microseconds{std::chrono::hours{1}}.count();

void refuse(v1::AttachResult& result, const char* why) {
  spdlog::warn(fmt::format("a session was not attached: {}", why));
  result.set_refusal(why);
}

}  // namespace

std::optional<v1::IngestResponse> IngestConversation::handle(const v1::IngestRequest& request, Moment received) {
  v1::IngestResponse response;
  switch (request.kind_case()) {
    case v1::IngestRequest::kAttach:
      *response.mutable_attach_result() = attach(request.attach());
      return response;
    case v1::IngestRequest::kAttachAll:
      *response.mutable_attach_all_result() = attach_all(request.attach_all());
      return response;
    case v1::IngestRequest::kAppend:
      *response.mutable_append_result() = append(request.append());
      return response;
    case v1::IngestRequest::kStampRequest:
      *response.mutable_stamp() = stamp(request.stamp_request(), received);
      return response;
    case v1::IngestRequest::kDetach:
      sessions_.erase(request.detach().session());
      return std::nullopt;
    case v1::IngestRequest::kAudit:
      audit(request.audit());
      return std::nullopt;
    case v1::IngestRequest::KIND_NOT_SET:
      break;  // of a newer ingest; it cannot count on an answer
  }
  return std::nullopt;
}

// -- time -------------------------------------------------------------------------------------------------------------

v1::Stamp IngestConversation::stamp(const v1::StampRequest& request, Moment received) {
  if (!stamps_.take(request.number(), received))
    throw StoreError(StoreError::Kind::precondition, "the number of a stamp must be above the last one's");
  // The first is answered at once; one that waits here is not taken, for it took long.
  if (!last_reading_ && request.number() > 1) try_to_read_calendar();
  v1::Stamp stamp;
  stamp.set_number(request.number());
  if (last_reading_) *stamp.mutable_calendar() = to_stamp(last_reading_->instant_of(received));
  return stamp;
}

/// So that an ingest of which nothing is attached yet knows it too. Where the database is away, the next stamp tries.
void IngestConversation::try_to_read_calendar() {
  try {
    read_calendar();
  } catch (const StoreError& error) {
    if (error.kind() != StoreError::Kind::away) throw;
  }
}

CalendarReading IngestConversation::read_calendar() {
  auto shortest = Moment::duration::max();
  for (int left = 3; left > 0 && shortest > quick_reading; --left) {
    const auto before = clock_();
    const auto calendar = writer_->calendar();
    const auto took = clock_() - before;
    if (took >= shortest) continue;
    shortest = took;
    last_reading_ = {calendar, before + took / 2, took / 2};
  }
  return *last_reading_;
}

/// What is to be dated now is dated by it. Where the calendar was set, what is attached is dated anew first.
CalendarReading IngestConversation::dating_reading() {
  auto reading = read_calendar();
  const auto steps = calendar_.check(reading);
  if (steps != steps_) {
    reading = read_calendar();  // the other may be of before
    if (steps_) {
      auto changes = calendar_.changes(steps);
      if (steps > *steps_) {  // else of a database that has lost some: all are dated by all that it knows
        changes.erase(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(*steps_));
        // What was right until then stays as certain as it was.
        if (changes.front().before.at < checked_->at) changes.front().before = *checked_;
      }
      date_sessions(changes);
    }
    steps_ = steps;
  }
  checked_ = reading;
  return reading;
}

Moment IngestConversation::moment(std::uint64_t stamp, std::int64_t after_us) const {
  if (const auto moment = stamps_.after(stamp, after_us)) return *moment;
  throw StoreError(StoreError::Kind::precondition,
                   stamps_.empty() ? "this ingest sends no stamps: bring wardlink-ingest to storage's version"
                                   : "what ingest tells counts from a stamp that this stream does not have");
}

// -- sessions ---------------------------------------------------------------------------------------------------------

Told IngestConversation::told(const v1::Attach& request) const {
  const auto& exchange = request.exchange();
  Told told{{.device = request.device(),
             .boot = request.boot(),
             .anchor = {},
             .uncertainty = std::chrono::microseconds{std::min(exchange.uncertainty_us(), longest_us)},
             .by_hand = request.by_hand(),
             .tick_ms = std::min(exchange.tick_ms(), highest_tick)},
            {},
            moment(request.stamp(), request.registered_after_us())};
  if (request.has_exchange()) told.exchanged_at = moment(request.stamp(), exchange.after_us());
  return told;
}

/// From the exchanges that ingest told, so that neither it nor a device is asked.
void IngestConversation::date_sessions(std::span<const CalendarChange> changes) {
  std::map<std::uint64_t, LiveSession*> in_order;  // of two of one start the later one says its clock
  for (auto& [number, session] : sessions_) in_order.emplace(number, &session);
  std::vector<std::vector<AttachRequest>> dated;
  std::vector<LiveSession*> live;
  for (const auto& [number, session] : in_order) {
    if (!session->told.exchanged_at) continue;
    dated.push_back(session->told.dated_about(changes));
    live.push_back(session);
  }
  const auto attached = attach_dated(dated);
  for (std::size_t i = 0; i < attached.size(); ++i)
    if (attached[i].session) live[i]->session = attached[i].session;
}

/// Each as often as it is dated, together. Returns what the last of each was answered.
std::vector<Attached> IngestConversation::attach_dated(const std::vector<std::vector<AttachRequest>>& dated) {
  std::vector<Attached> last(dated.size());
  for (std::size_t turn = 0;; ++turn) {
    std::vector<AttachRequest> requests;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < dated.size(); ++i) {
      if (turn >= dated[i].size()) continue;
      requests.push_back(dated[i][turn]);
      places.push_back(i);
    }
    if (requests.empty()) return last;
    auto attached = writer_->attach(requests);
    for (std::size_t i = 0; i < attached.size(); ++i) last[places[i]] = std::move(attached[i]);
  }
}

v1::AttachResult IngestConversation::attach(const v1::Attach& request) {
  v1::AttachResult result;
  const v1::Attach* const one = &request;
  attach({&one, 1}, {&result, 1});
  return result;
}

v1::AttachAllResult IngestConversation::attach_all(const v1::AttachAll& request) {
  const auto& attaches = request.attaches();
  std::vector<v1::AttachResult> results(static_cast<std::size_t>(attaches.size()));
  attach({attaches.data(), results.size()}, results);
  v1::AttachAllResult all;
  for (auto& result : results) *all.add_results() = std::move(result);
  return all;
}

void IngestConversation::attach(std::span<const v1::Attach* const> attaches, std::span<v1::AttachResult> results) {
  std::vector<std::vector<AttachRequest>> dated;
  std::vector<std::pair<std::size_t, Told>> taken;
  std::vector<std::pair<std::size_t, const char*>> refused;
  if (stamps_.empty()) moment(0, 0);
  const auto reading = dating_reading();
  const auto changes = calendar_.changes(*steps_);
  for (std::size_t i = 0; i < attaches.size(); ++i) {
    results[i].set_session(attaches[i]->session());
    auto what = told(*attaches[i]);
    if (const char* why = refusal(*attaches[i])) {
      refused.emplace_back(i, why);
      continue;
    }
    dated.push_back(what.dated(changes, reading));
    taken.emplace_back(i, std::move(what));
  }
  const auto attached = attach_dated(dated);
  for (const auto& [place, why] : refused) refuse(results[place], why);
  for (std::size_t i = 0; i < attached.size(); ++i) answer(taken[i].second, attached[i], results[taken[i].first]);
}

void IngestConversation::answer(const Told& told, const Attached& attached, v1::AttachResult& result) {
  if (!attached.session) return refuse(result, "the database refuses it");
  sessions_[result.session()] = {told, attached.session};
  *result.mutable_anchor() = to_stamp(attached.session->anchor);
  for (const auto& [stream, sequence] : attached.watermarks) {
    auto& watermark = *result.add_watermarks();
    watermark.set_stream(to_proto(stream));
    watermark.set_sequence(sequence);
  }
}

// -- records ----------------------------------------------------------------------------------------------------------

v1::AppendResult IngestConversation::append(const v1::Append& request) {
  if (stamps_.empty()) moment(0, 0);
  const auto reading = dating_reading();
  std::vector<Record> records;
  records.reserve(static_cast<std::size_t>(request.records_size()));
  for (const auto& message : request.records()) {
    const auto session = sessions_.find(message.session());
    records.push_back(record_of(message, session == sessions_.end() ? nullptr : session->second.session,
                                reading.instant_of(moment(request.stamp(), message.received_after_us()))));
  }
  for (const auto& change : calendar_.changes(*steps_))
    for (auto& record : records)
      if (const auto last = change.last_of_before(); last > record.shown_before.value_or(record.received_at))
        record.shown_before = last;
  put_under_their_boots(request, records);
  v1::AppendResult result;
  result.set_batch(request.batch());
  const auto made = writer_->append(records);
  committed_(records, made);
  for (const auto each : made) result.add_results(to_proto(each));
  return result;
}

/// Records that outlived their device's reboot are stored under the starts that made them. Where several tell of one
/// start, the first of them dates it.
void IngestConversation::put_under_their_boots(const v1::Append& request, std::vector<Record>& records) {
  std::vector<AttachRequest> starts;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::size_t> places;
  std::vector<std::pair<std::size_t, std::size_t>> debts;  // record, start
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& message = request.records(static_cast<int>(i));
    const auto& session = records[i].session;
    if (!session || message.boot() == 0 || message.boot() == session->boot) continue;
    const auto anchor = anchor_of_own_boot(message, records[i]);
    if (!anchor) {
      records[i].body = as_it_came(message, "unusable_boot");
      continue;
    }
    const auto [at, is_new] = places.try_emplace({session->device_id, message.boot()}, starts.size());
    if (is_new) starts.push_back({session->device, message.boot(), *anchor});
    debts.emplace_back(i, at->second);
  }
  if (starts.empty()) return;
  const auto sessions = writer_->at_boots(starts);
  for (const auto& [record, start] : debts) {
    if (sessions[start])
      records[record].session = sessions[start];
    else
      records[record].body = as_it_came(request.records(static_cast<int>(record)), "unusable_boot");
  }
}

void IngestConversation::audit(const v1::Audit& request) {
  std::vector<AuditFact> facts;
  facts.reserve(static_cast<std::size_t>(request.entries_size()));
  for (const auto& entry : request.entries()) {
    facts.push_back({.subject = entry.subject().empty() ? "unknown" : entry.subject(),
                     .method = "ingest." + entry.action(),
                     .granted = entry.granted(),
                     .resources = {},
                     .reason = entry.reason(),
                     .address = entry.address(),
                     .count = std::max<std::uint64_t>(1, entry.count())});
  }
  writer_->audit(facts);
}

}  // namespace wardlink::storage

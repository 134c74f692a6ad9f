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

const char* refusal(const v1::Attach& request, const std::optional<Instant>& anchor) {
  if (!is_urn(request.device())) return "device: must be a URN of at most 63 characters";
  if (request.boot() >= (1ULL << 53)) return "boot: must be below 2^53";
  // A thousand years of ticks later PostgreSQL's calendar must still hold.
  if (!anchor) return "exchange: its tick 0 is outside of the years 1 to 9999";
  return nullptr;
}

/// Half of what a reading of the calendar takes dates everything wrong. One for which the database was waited for, or a
/// connection to it made, is taken again; a database that is always slow is asked no more than three times.
constexpr auto quick_reading = std::chrono::milliseconds{100};

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
    last_reading_ = {calendar, before + took / 2};
    reading_uncertainty_ = took / 2;
  }
  return *last_reading_;
}

Moment IngestConversation::moment(std::uint64_t stamp, std::int64_t after_us) const {
  if (const auto moment = stamps_.after(stamp, after_us)) return *moment;
  throw StoreError(StoreError::Kind::precondition,
                   stamps_.empty() ? "this ingest sends no stamps: bring wardlink-ingest to storage's version"
                                   : "what ingest tells counts from a stamp that this stream does not have");
}

/// Nothing: no calendar of ours holds it.
std::optional<Instant> IngestConversation::anchor_of(const v1::Attach& attach, const CalendarReading& reading) const {
  if (!attach.has_exchange()) return Instant{};  // its ticks are the calendar's
  const auto& exchange = attach.exchange();
  if (exchange.tick_ms() >= (1ULL << 53)) return std::nullopt;
  const auto anchor =
      reading.instant_of(moment(attach.stamp(), exchange.after_us())) - std::chrono::milliseconds{exchange.tick_ms()};
  return in_calendar(anchor) ? std::optional(anchor) : std::nullopt;
}

// -- sessions ---------------------------------------------------------------------------------------------------------

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
  std::vector<AttachRequest> requests;
  std::vector<std::size_t> places;
  std::vector<std::pair<std::size_t, const char*>> refused;
  if (stamps_.empty()) moment(0, 0);
  const auto reading = read_calendar();
  for (std::size_t i = 0; i < attaches.size(); ++i) {
    results[i].set_session(attaches[i]->session());
    const auto anchor = anchor_of(*attaches[i], reading);
    if (const char* why = refusal(*attaches[i], anchor)) {
      refused.emplace_back(i, why);
      continue;
    }
    requests.push_back({attaches[i]->device(), attaches[i]->boot(), *anchor,
                        std::chrono::microseconds{std::min(attaches[i]->exchange().uncertainty_us(), longest_us)} +
                            reading_uncertainty_,
                        reading.instant_of(moment(attaches[i]->stamp(), attaches[i]->registered_after_us())),
                        attaches[i]->by_hand()});
    requests.back().tick_ms = attaches[i]->exchange().tick_ms();
    places.push_back(i);
  }
  const auto attached = requests.empty() ? std::vector<Attached>{} : writer_->attach(requests);
  for (const auto& [place, why] : refused) refuse(results[place], why);
  for (std::size_t i = 0; i < attached.size(); ++i) answer(attached[i], results[places[i]]);
}

void IngestConversation::answer(const Attached& attached, v1::AttachResult& result) {
  if (!attached.session) return refuse(result, "the database refuses it");
  sessions_[result.session()] = attached.session;
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
  const auto reading = read_calendar();
  std::vector<Record> records;
  records.reserve(static_cast<std::size_t>(request.records_size()));
  for (const auto& message : request.records()) {
    const auto session = sessions_.find(message.session());
    records.push_back(record_of(message, session == sessions_.end() ? nullptr : session->second,
                                reading.instant_of(moment(request.stamp(), message.received_after_us()))));
  }
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

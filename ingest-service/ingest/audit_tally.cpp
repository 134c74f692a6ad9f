#include "ingest/audit_tally.hpp"

namespace wardlink::ingest {
namespace {
constexpr coap::Duration window = std::chrono::minutes{1};
}

std::optional<AuditTally::Line> AuditTally::note(Key key, coap::Instant now) {
  if (!minutes_.contains(key) && minutes_.size() >= max_keys_) key = {key.action, "other", ""};
  const auto [at, opened] = minutes_.try_emplace(key, Minute{now + window});
  if (opened) return Line{std::move(key), 1};
  ++at->second.untold;
  return std::nullopt;
}

std::vector<AuditTally::Line> AuditTally::due(coap::Instant now) {
  std::vector<Line> lines;
  for (auto at = minutes_.begin(); at != minutes_.end();) {
    auto& [key, minute] = *at;
    if (now < minute.end) {
      ++at;
    } else if (minute.untold == 0) {
      at = minutes_.erase(at);
    } else {
      lines.emplace_back(key, std::exchange(minute.untold, 0));
      minute.end = now + window;
      ++at;
    }
  }
  return lines;
}

std::vector<AuditTally::Line> AuditTally::rest() {
  std::vector<Line> lines;
  for (const auto& [key, minute] : minutes_)
    if (minute.untold != 0) lines.emplace_back(key, minute.untold);
  minutes_.clear();
  return lines;
}

std::optional<coap::Instant> AuditTally::next_deadline() const {
  std::optional<coap::Instant> earliest;
  for (const auto& [key, minute] : minutes_)
    if (!earliest || minute.end < *earliest) earliest = minute.end;
  return earliest;
}

}  // namespace wardlink::ingest

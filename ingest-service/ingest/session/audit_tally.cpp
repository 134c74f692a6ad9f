#include "ingest/session/audit_tally.hpp"

namespace wardlink::ingest {
namespace {
constexpr coap::Duration window = std::chrono::minutes{1};
}

std::optional<AuditTally::Line> AuditTally::note(Key key, coap::Instant now, std::uint64_t times) {
  if (!untold_.contains(key) && untold_.size() >= max_keys_) key = {key.action, "other", ""};
  const auto [at, opened] = untold_.try_emplace(key, 0);
  if (opened) {
    minutes_.push_back({now + window, at});
    return Line{std::move(key), times};
  }
  at->second += times;
  return std::nullopt;
}

std::vector<AuditTally::Line> AuditTally::due(coap::Instant now) {
  std::vector<Line> lines;
  while (!minutes_.empty() && minutes_.front().end <= now) {
    const auto at = minutes_.front().of;
    minutes_.pop_front();
    if (at->second == 0) {
      untold_.erase(at);
    } else {
      lines.emplace_back(at->first, std::exchange(at->second, 0));
      minutes_.push_back({now + window, at});
    }
  }
  return lines;
}

std::vector<AuditTally::Line> AuditTally::rest() {
  std::vector<Line> lines;
  for (const auto& [key, untold] : untold_)
    if (untold != 0) lines.emplace_back(key, untold);
  minutes_.clear();
  untold_.clear();
  return lines;
}

std::optional<coap::Instant> AuditTally::next_deadline() const {
  if (minutes_.empty()) return std::nullopt;
  return minutes_.front().end;
}

}  // namespace wardlink::ingest

#include "observation.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace coap {
namespace {

std::uint32_t as_number(const Token& token) {
  std::uint32_t number = 0;
  std::memcpy(&number, token.bytes().data(), 4);
  return number;
}

}  // namespace

Token TokenBook::issue() {
  for (;;) {
    std::array<std::uint8_t, 4> bytes{};
    random_(bytes);
    const Token token{bytes};
    if (issued_.insert(as_number(token)).second) return token;
  }
}

bool TokenBook::was_issued(const Token& token) const { return token.size() == 4 && issued_.contains(as_number(token)); }

bool ObservationTable::Entry::take(std::uint32_t observe, Instant now) {
  if (newest && !is_newer(*newest, newest_at, observe, now)) return false;
  newest = observe;
  newest_at = now;
  return true;
}

ObservationTable::Entry* ObservationTable::find(ObservationId id) {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

std::optional<ObservationId> ObservationTable::by_token(const Token& token) const {
  for (const auto& [id, entry] : entries_) {
    if (entry.token == token) return id;
  }
  return std::nullopt;
}

ObserverId ObserverList::add(const Token& token, ObserverId fresh) {
  if (const auto known = by_token(token)) return *known;
  auto start = left_off_;
  for (const auto& [id, entry] : entries_) {
    if (entry.last) start = std::max(start, entry.sequence);
  }
  entries_.emplace(fresh, Entry{token, start});
  return fresh;
}

void ObserverList::remove(ObserverId id) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return;
  left_off_ = std::max(left_off_, at->second.sequence);
  entries_.erase(at);
}

ObserverList::Entry* ObserverList::find(ObserverId id) {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

std::optional<ObserverId> ObserverList::by_token(const Token& token) const {
  for (const auto& [id, entry] : entries_) {
    if (entry.token == token && !entry.last) return id;
  }
  return std::nullopt;
}

std::vector<ObserverId> ObserverList::all() const {
  std::vector<ObserverId> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  return ids;
}

void ObserverList::sent_non(std::uint16_t message_id, ObserverId observer) {
  constexpr std::size_t remembered = 64;
  if (non_.size() < remembered) {
    non_.emplace_back(message_id, observer);
    return;
  }
  non_[next_non_] = {message_id, observer};
  next_non_ = (next_non_ + 1) % remembered;
}

std::optional<ObserverId> ObserverList::by_non(std::uint16_t message_id) const {
  const auto at = std::find_if(non_.begin(), non_.end(), [&](const auto& n) { return n.first == message_id; });
  return at == non_.end() ? std::nullopt : std::optional{at->second};
}

}  // namespace coap

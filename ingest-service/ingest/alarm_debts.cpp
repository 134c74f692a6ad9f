#include "ingest/alarm_debts.hpp"

#include <algorithm>

namespace wardlink::ingest {

std::optional<Ticket> AlarmDebts::find(const Fact& fact) const {
  const auto [begin, end] = by_sequence_.equal_range(fact.sequence);
  for (auto at = begin; at != end; ++at)
    if (pending_.at(at->second).fact == fact) return at->second;
  return std::nullopt;
}

AlarmDebts::Taken AlarmDebts::take(std::optional<coap::DeliveryId> delivery, std::vector<Fact> facts, coap::Instant now,
                                   const std::function<Ticket()>& draw) {
  Taken taken;
  std::vector<Ticket> waits_for;
  for (Fact& fact : facts) {
    auto ticket = find(fact);
    if (!ticket && pending_.size() >= capacity_) {
      ++taken.refused;
      continue;
    }
    if (!ticket) {
      ticket = draw();
      by_sequence_.emplace(fact.sequence, *ticket);
      pending_.emplace(*ticket, Pending{fact, now, {}});
      taken.to_append.emplace_back(*ticket, std::move(fact));
    }
    if (std::find(waits_for.begin(), waits_for.end(), *ticket) == waits_for.end()) waits_for.push_back(*ticket);
  }
  taken.complete = waits_for.empty() && taken.refused == 0;
  if (!delivery || taken.complete || taken.refused != 0) return taken;
  auto& held = held_[*delivery] = {waits_for.size(), now};
  for (Ticket ticket : waits_for) {
    auto& pending = pending_.at(ticket);
    held.since = std::min(held.since, pending.since);
    pending.deliveries.push_back(*delivery);
  }
  return taken;
}

std::vector<AlarmDebts::Released> AlarmDebts::settle(Ticket ticket, RecordResult result) {
  std::vector<Released> released;
  const auto at = pending_.find(ticket);
  if (at == pending_.end()) return released;
  for (const auto delivery : at->second.deliveries) {
    const auto held = held_.find(delivery);
    if (held == held_.end()) continue;
    if (!is_durable(result)) {
      held_.erase(held);  // its ACK never leaves
    } else if (--held->second.waits_for == 0) {
      released.push_back({delivery, held->second.since});
      held_.erase(held);
    }
  }
  const auto [begin, end] = by_sequence_.equal_range(at->second.fact.sequence);
  by_sequence_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == ticket; }));
  pending_.erase(at);
  return released;
}

}  // namespace wardlink::ingest

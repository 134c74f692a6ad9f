#include "ingest/session/alarm_debts.hpp"

#include <algorithm>
#include <utility>

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
  if (!delivery || taken.complete) return taken;
  taken.declined = taken.refused != 0 || held_.size() >= capacity_;
  if (!taken.declined) hold(*delivery, std::move(waits_for), now);
  return taken;
}

void AlarmDebts::hold(coap::DeliveryId delivery, std::vector<Ticket> waits_for, coap::Instant now) {
  auto since = now;
  for (Ticket ticket : waits_for) {
    auto& pending = pending_.at(ticket);
    since = std::min(since, pending.since);
    pending.deliveries.push_back(delivery);
  }
  held_.emplace(delivery, Held{std::move(waits_for), since});
}

void AlarmDebts::decline(coap::DeliveryId delivery) {
  const auto held = held_.extract(delivery);
  for (Ticket other : held.mapped().waits_for)
    if (const auto at = pending_.find(other); at != pending_.end()) std::erase(at->second.deliveries, delivery);
}

AlarmDebts::Settled AlarmDebts::settle(Ticket ticket, RecordResult result) {
  Settled settled;
  const auto pending = pending_.extract(ticket);
  if (pending.empty()) return settled;
  const auto [begin, end] = by_sequence_.equal_range(pending.mapped().fact.sequence);
  by_sequence_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == ticket; }));
  for (const auto delivery : pending.mapped().deliveries) {
    Held& held = held_.at(delivery);
    if (!is_durable(result)) {
      settled.declined.push_back(delivery);
      decline(delivery);
      continue;
    }
    std::erase(held.waits_for, ticket);
    if (!held.waits_for.empty()) continue;
    settled.released.push_back({delivery, held.since});
    held_.erase(delivery);
  }
  return settled;
}

}  // namespace wardlink::ingest

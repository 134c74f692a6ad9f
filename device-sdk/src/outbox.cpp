#include "outbox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wardlink {
namespace {

// A superseded delivery may still be acknowledged; an older one than these releases nothing, so its records go again.
constexpr std::size_t kDeliveries = 16;

}  // namespace

bool Outbox::push(SequencedSet set) {
  sets_.push_back(std::move(set));
  if (sets_.size() <= set_capacity_) return true;
  sets_.pop_front();
  return false;
}

std::vector<SequencedSet> Outbox::take_sets(std::size_t most) {
  const auto end = sets_.begin() + static_cast<std::ptrdiff_t>(std::min(most, sets_.size()));
  std::vector<SequencedSet> taken(std::make_move_iterator(sets_.begin()), std::make_move_iterator(end));
  sets_.erase(sets_.begin(), end);
  return taken;
}

std::size_t Outbox::give_back(std::vector<SequencedSet> sets) {
  sets_.insert(sets_.begin(), std::make_move_iterator(sets.begin()), std::make_move_iterator(sets.end()));
  if (sets_.size() <= set_capacity_) return 0;
  const auto surplus = sets_.size() - set_capacity_;
  sets_.erase(sets_.begin(), sets_.begin() + static_cast<std::ptrdiff_t>(surplus));
  return surplus;
}

std::size_t Outbox::begin_boot(std::uint64_t boot) {
  earlier_boots_.push_back(std::exchange(boot_, boot));
  for (auto& [key, alarm] : std::exchange(owed_, {})) {
    const auto key_now = rank(alarm);
    owed_.emplace(key_now, std::move(alarm));
  }
  carried_.clear();
  return std::exchange(sets_, {}).size();
}

std::size_t Outbox::age(std::uint64_t boot) const {
  const auto at = std::find(earlier_boots_.begin(), earlier_boots_.end(), boot);
  return boot == boot_ ? ~std::size_t{0} : static_cast<std::size_t>(at - earlier_boots_.begin());
}

Outbox::Rank Outbox::rank(const OwedAlarm& alarm) const {
  return {-static_cast<int>(alarm.record.alarm.priority), age(alarm.boot), alarm.record.sequence};
}

void Outbox::owe(SequencedAlarm alarm) {
  OwedAlarm own{boot_, std::move(alarm)};
  const auto key = rank(own);
  owed_.emplace(key, std::move(own));
}

void Outbox::add_earlier_boot(std::uint64_t boot) {
  if (boot != boot_ && age(boot) == earlier_boots_.size()) earlier_boots_.push_back(boot);
}

void Outbox::inherit(OwedAlarm alarm) {
  const auto key = rank(alarm);
  owed_.emplace(key, std::move(alarm));
}

std::vector<OwedAlarm> Outbox::owed(std::uint64_t through, std::size_t most) const {
  std::vector<OwedAlarm> first;
  for (const auto& [key, alarm] : owed_) {
    if (first.size() == most) break;
    if (alarm.boot != boot_ || alarm.record.sequence <= through) first.push_back(alarm);
  }
  return first;
}

void Outbox::carry(coap::DeliveryId delivery, const std::vector<OwedAlarm>& records) {
  std::vector<Rank> ranks;
  for (const auto& record : records) ranks.push_back(rank(record));
  carried_.emplace_back(delivery, std::move(ranks));
  if (carried_.size() > kDeliveries) carried_.pop_front();
}

std::vector<AlarmKey> Outbox::release(coap::DeliveryId delivery) {
  std::vector<AlarmKey> released;
  const auto at = std::find_if(carried_.begin(), carried_.end(), [&](const auto& c) { return c.first == delivery; });
  if (at == carried_.end()) return released;
  for (const auto& key : at->second) {
    const auto alarm = owed_.find(key);
    if (alarm == owed_.end()) continue;  // another delivery released it
    released.push_back({alarm->second.boot, alarm->second.record.sequence});
    owed_.erase(alarm);
  }
  carried_.erase(at);
  return released;
}

}  // namespace wardlink

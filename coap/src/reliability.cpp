#include "reliability.hpp"

#include <algorithm>
#include <utility>

namespace coap {

std::optional<std::uint16_t> MessageIds::draw(Instant now) {
  if (begins_used_block() && now < available_at()) return std::nullopt;
  const auto index = drawn_ % kAll;
  last_use_[index / kBlock] = last_draw_ = now;
  ++drawn_;
  return static_cast<std::uint16_t>(first_ + index);
}

Instant MessageIds::available_at() const {
  return begins_used_block() ? last_use_[drawn_ % kAll / kBlock] + lifetime_ : last_draw_;
}

std::optional<Deduplication::Seen> Deduplication::check(std::uint16_t id, Instant now, Duration lifetime) {
  forget_expired(now);
  const auto [at, is_new] = entries_.try_emplace(id, Entry{now + lifetime});
  auto& entry = at->second;
  if (!is_new && now < entry.expiry) {
    if (entry.reply != Reply::stored) return Seen{entry.reply, nullptr};
    const auto found = std::find_if(responses_.begin(), responses_.end(), [&](const auto& r) { return r.first == id; });
    return Seen{entry.reply, found == responses_.end() ? nullptr : &found->second};
  }
  entry = Entry{now + lifetime};
  std::erase_if(responses_, [&](const auto& r) { return r.first == id; });
  order_.emplace_back(id, entry.expiry);
  while (entries_.size() > max_messages_) forget_oldest();
  if (order_.size() > 2 * max_messages_) std::erase_if(order_, [&](const auto& one) { return !stands(one); });
  return std::nullopt;
}

void Deduplication::forget(std::uint16_t id) {
  entries_.erase(id);
  if (!order_.empty() && order_.back().first == id) order_.pop_back();  // nearly always
}

void Deduplication::answered(std::uint16_t id, Reply reply) {
  if (const auto at = entries_.find(id); at != entries_.end()) at->second.reply = reply;
}

void Deduplication::answered(std::uint16_t id, Bytes response) {
  answered(id, Reply::stored);
  responses_.emplace_back(id, std::move(response));
  if (responses_.size() > max_responses_) responses_.pop_front();
}

void Deduplication::forget_expired(Instant now) {
  while (!order_.empty() && order_.front().second <= now) forget_oldest();
}

void Deduplication::forget_oldest() {
  if (stands(order_.front())) entries_.erase(order_.front().first);
  order_.pop_front();
}

bool Deduplication::stands(const std::pair<std::uint16_t, Instant>& one) const {
  const auto at = entries_.find(one.first);
  return at != entries_.end() && at->second.expiry == one.second;
}

void ConfirmableSlot::submit(Confirmable item) {
  if (item.owner.kind == Owner::Kind::notification) {
    for (auto& other : waiting_) {
      if (other.owner.kind == Owner::Kind::notification && other.owner.observer == item.owner.observer) {
        other = std::move(item);
        return;
      }
    }
  }
  waiting_.push_back(std::move(item));
}

std::size_t ConfirmableSlot::waiting_responses() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(waiting_, [](const Confirmable& one) { return one.owner.kind == Owner::Kind::response; }));
}

void ConfirmableSlot::start(std::uint16_t id, Instant now, const Timing& timing) {
  InFlight next{std::move(waiting_.front()), {}, 0, timing.initial, now + timing.initial, now};
  waiting_.pop_front();
  next.item.message.id = id;
  next.datagram = encode(next.item.message);
  in_flight_ = std::move(next);
}

std::deque<Confirmable>::const_iterator ConfirmableSlot::successor() const {
  if (!in_flight_ || in_flight_->item.owner.kind != Owner::Kind::notification) return waiting_.end();
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const Confirmable& c) {
    return c.owner.kind == Owner::Kind::notification && c.owner.observer == in_flight_->item.owner.observer;
  });
}

bool ConfirmableSlot::has_successor() const { return successor() != waiting_.end(); }

const Bytes& ConfirmableSlot::retransmit(Instant now, std::optional<std::uint16_t> successor_id) {
  auto& current = *in_flight_;
  if (const auto next = successor(); successor_id && next != waiting_.end()) {
    superseded_.emplace_back(current.item.message.id, current.item.owner);
    if (superseded_.size() > 16) superseded_.pop_front();
    current.item = *next;
    waiting_.erase(next);
    current.item.message.id = *successor_id;
    current.datagram = encode(current.item.message);
  }
  ++current.retransmissions;
  current.timeout *= 2;
  current.deadline = now + current.timeout;
  return current.datagram;
}

std::optional<ConfirmableSlot::Match> ConfirmableSlot::match(std::uint16_t id) const {
  if (in_flight_ && in_flight_->item.message.id == id) {
    return Match{in_flight_->item.owner, in_flight_->item.message.token, true};
  }
  for (const auto& [superseded_id, owner] : superseded_) {
    if (superseded_id == id) return Match{owner, {}, false};
  }
  return std::nullopt;
}

void ConfirmableSlot::finish(std::uint16_t id) {
  if (in_flight_ && in_flight_->item.message.id == id) in_flight_.reset();
  forget_superseded(id);
}

void ConfirmableSlot::forget_superseded(std::uint16_t id) {
  std::erase_if(superseded_, [&](const auto& s) { return s.first == id; });
}

std::vector<DeliveryId> ConfirmableSlot::remove(ObserverId observer) {
  const auto concerns = [&](const Owner& o) { return o.kind == Owner::Kind::notification && o.observer == observer; };
  std::vector<DeliveryId> removed;
  for (const auto& [id, owner] : superseded_) {
    if (concerns(owner)) removed.push_back(owner.delivery);
  }
  std::erase_if(superseded_, [&](const auto& s) { return concerns(s.second); });
  if (in_flight_ && concerns(in_flight_->item.owner)) {
    removed.push_back(in_flight_->item.owner.delivery);
    in_flight_.reset();
  }
  for (const auto& item : waiting_) {
    if (concerns(item.owner)) removed.push_back(item.owner.delivery);
  }
  std::erase_if(waiting_, [&](const Confirmable& c) { return concerns(c.owner); });
  return removed;
}

void ConfirmableSlot::remove(RequestId request) {
  const auto concerns = [&](const Owner& o) { return o.kind == Owner::Kind::request && o.request == request; };
  if (in_flight_ && concerns(in_flight_->item.owner)) in_flight_.reset();
  std::erase_if(waiting_, [&](const Confirmable& c) { return concerns(c.owner); });
}

}  // namespace coap

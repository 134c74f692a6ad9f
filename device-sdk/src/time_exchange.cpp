#include "time_exchange.hpp"

#include <algorithm>

namespace wardlink {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSlow = 2000, kTooSlow = 60'000;  // ms; what is slower than that the gateway refuses
constexpr unsigned kTries = 3;                            // before a slow one has to do
constexpr coap::Duration kPatience = 2s, kLongestPatience = 60s;

coap::Duration patience(unsigned sent) {
  coap::Duration wait = kPatience;
  for (; sent > kTries && wait < kLongestPatience; --sent) wait *= 2;
  return std::min(wait, kLongestPatience);
}

}  // namespace

void TimeExchange::begin(coap::Instant now) {
  open_.clear();
  best_.reset();
  sent_ = 0;
  next_at_ = now;
}

bool TimeExchange::is_try(coap::RequestId request) const {
  return std::ranges::find(open_, request, &Try::request) != open_.end();
}

void TimeExchange::answered(coap::RequestId request, coap::Instant now) {
  const auto at = std::ranges::find(open_, request, &Try::request);
  if (at == open_.end()) return;
  const auto [id, sent_tick] = *at;
  open_.erase(at);
  const auto tick = recorder_.tick();
  if (tick < sent_tick || tick - sent_tick >= kTooSlow) return;
  const auto round_trip = tick - sent_tick + 1;
  if (!best_ || round_trip < best_->round_trip_ms) best_ = {sent_tick, round_trip, now};
}

bool TimeExchange::is_settled(coap::Instant now) const {
  if (!best_) return false;
  return best_->round_trip_ms <= kSlow || sent_ > kTries || (sent_ == kTries && *next_at_ <= now);
}

std::optional<TimeExchange::Accepted> TimeExchange::pump(coap::Connection& connection, coap::Instant now) {
  if (!next_at_) return std::nullopt;
  if (is_settled(now)) {
    next_at_.reset();
    open_.clear();
    return best_;
  }
  if (now < *next_at_) return std::nullopt;
  const auto tick = recorder_.tick();
  coap::Request request;
  request.path = "/time";
  request.queries = {"tk=" + std::to_string(tick)};
  open_.push_back({connection.request(std::move(request), now, coap::Reliability::non), tick});
  next_at_ = now + patience(++sent_);
  return std::nullopt;
}

}  // namespace wardlink

#include "ingest/session/device_clock.hpp"

#include <algorithm>
#include <utility>

namespace wardlink::ingest {
namespace {

constexpr std::size_t remembered = 8;
constexpr std::chrono::milliseconds unmeasured{60'000};

/// How far the reception of a try may lie from the middle of its round trip; a clock of whole milliseconds is known to
/// no less than one.
std::chrono::milliseconds uncertainty(std::chrono::milliseconds round_trip) {
  return std::max((round_trip + std::chrono::milliseconds{1}) / 2, std::chrono::milliseconds{1});
}

}  // namespace

void DeviceClock::heard(std::uint64_t tick_ms, coap::Instant now) {
  std::erase_if(tries_, [&](const Try& one) { return one.tick_ms == tick_ms; });
  tries_.push_back({tick_ms, now});
  if (tries_.size() > remembered) tries_.pop_front();
}

coap::Result<ClockExchange, Refusal> DeviceClock::exchange(const std::optional<NamedTry>& accepted) {
  const auto named = accepted ? std::ranges::find(tries_, accepted->tick_ms, &Try::tick_ms) : tries_.end() - 1;
  if (named == tries_.end()) return Refusal{coap::code::bad_request, "tk names none of the last tries of GET /time"};
  ClockExchange made{named->tick_ms, named->at, unmeasured};
  if (accepted) {
    made.tick_ms += static_cast<std::uint64_t>(accepted->round_trip.count()) / 2;
    made.uncertainty = uncertainty(accepted->round_trip);
  }
  // The clock did not stand after all: what was behind came over a slow path.
  if (stood_ && behind(made.tick_ms, made.at) <= made.uncertainty + tolerance) slow_ = std::max(slow_, *stood_);
  in_force_ = made;
  stood_.reset();
  least_behind_ = {};
  doubtful_ = false;
  return made;
}

std::chrono::milliseconds DeviceClock::behind(std::uint64_t tick_ms, coap::Instant now) const {
  const auto passed = std::chrono::floor<std::chrono::milliseconds>(now - in_force_->at);
  const std::chrono::milliseconds expected{static_cast<std::int64_t>(in_force_->tick_ms) + passed.count()};
  return expected - std::chrono::milliseconds{tick_ms};
}

/// What the exchange said stays: one wild tick is not to date the whole start.
ClockExchange DeviceClock::doubted(std::chrono::milliseconds off) {
  doubtful_ = true;
  in_force_->uncertainty += off;
  return *in_force_;
}

std::optional<ClockExchange> DeviceClock::doubt(std::uint64_t tick_ms, coap::Instant now) {
  if (!in_force_) return std::nullopt;
  const auto late = behind(tick_ms, now);
  least_behind_ = std::min(least_behind_, late);
  if (-late <= in_force_->uncertainty + tolerance) return std::nullopt;
  return doubted(-late);
}

std::optional<ClockExchange> DeviceClock::doubt_heartbeat(std::uint64_t tick_ms, coap::Instant now) {
  if (!in_force_) return std::nullopt;
  const auto late = behind(tick_ms, now);
  const auto least = std::min(std::exchange(least_behind_, late), late);
  if (least <= in_force_->uncertainty + tolerance + slow_) return std::nullopt;
  stood_ = least;
  return doubted(least);
}

}  // namespace wardlink::ingest

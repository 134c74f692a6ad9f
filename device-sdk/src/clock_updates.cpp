#include "clock_updates.hpp"

#include <array>
#include <utility>

namespace wardlink {
namespace {

using namespace std::chrono_literals;

constexpr coap::Duration kLongestPause = 1h, kShortestPause = 55min;
constexpr coap::Duration kRetry = 1min;           // an exchange that came to nothing
constexpr coap::Duration kDoubtsAtMost = 10s;     // between two exchanges of a clock that runs wild
constexpr std::chrono::milliseconds kStep{2000};  // that the clocks may go apart

std::chrono::milliseconds lead(std::uint64_t tick_ms, coap::Instant now) {
  return std::chrono::milliseconds{tick_ms} - std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
}

coap::Duration draw_pause(coap::Random& random) {
  std::array<std::uint8_t, 2> bytes{};
  random(bytes);
  return kShortestPause + (kLongestPause - kShortestPause) * (bytes[0] << 8 | bytes[1]) / 65'536;
}

}  // namespace

void ClockUpdates::begin(std::string location, const TimeExchange::Accepted& last, coap::Random& random,
                         coap::Instant now) {
  location_ = std::move(location);
  pause_ = draw_pause(random);
  took(last, now);
}

void ClockUpdates::took(const TimeExchange::Accepted& exchange, coap::Instant now) {
  lead_ = lead(exchange.tick_ms + exchange.round_trip_ms, exchange.answered_at);
  due_ = now + pause_;
}

bool ClockUpdates::may_doubt(coap::Instant now) const { return !began_ || now >= *began_ + kDoubtsAtMost; }

bool ClockUpdates::is_doubtful(coap::Instant now) const {
  if (!may_doubt(now)) return false;
  return std::chrono::abs(lead(recorder_.tick(), now) - lead_) > kStep;
}

std::optional<TimeExchange::Accepted> ClockUpdates::handle(const coap::event::ResponseReceived& response,
                                                           coap::Instant now) {
  const bool is_try = exchange_.is_try(response.request);
  if (!is_try && update_ != response.request) return std::nullopt;
  if (response.code.cls() == 4) location_.clear();
  if (is_try) {
    if (response.code.is_success()) exchange_.answered(response.request, now);
    return std::nullopt;
  }
  update_.reset();
  if (!response.code.is_success()) return std::nullopt;
  took(told_, now);
  return told_;
}

void ClockUpdates::handle(const coap::event::RequestFailed& failed) {
  if (update_ == failed.request) update_.reset();
}

void ClockUpdates::doubted(coap::Instant now) {
  if (may_doubt(now)) due_ = now;
}

void ClockUpdates::pump(coap::Connection& connection, coap::Instant now) {
  if (location_.empty() || update_) return;
  if (!exchange_.is_under_way()) {
    if (now < due_ && !is_doubtful(now)) return;
    exchange_.begin(now);
    began_ = now;
    due_ = now + kRetry;
  }
  const auto accepted = exchange_.pump(connection, now);
  if (!accepted) return;
  told_ = *accepted;
  coap::Request request;
  request.method = coap::code::post;
  request.path = location_;
  request.queries = {"tk=" + std::to_string(told_.tick_ms), "rt=" + std::to_string(told_.round_trip_ms)};
  update_ = connection.request(std::move(request), now);
}

std::optional<coap::Instant> ClockUpdates::next_deadline() const {
  if (location_.empty() || update_) return std::nullopt;
  return exchange_.is_under_way() ? exchange_.next_deadline() : due_;
}

}  // namespace wardlink

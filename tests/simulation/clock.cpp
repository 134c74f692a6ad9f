#include "clock.hpp"

#include <algorithm>
#include <utility>

namespace wardlink::simulation {

bool Clock::later(const Event& one, const Event& other) {
  return one.when != other.when ? one.when > other.when : one.number > other.number;
}

void Clock::at(coap::Instant when, Work work) {
  events_.push_back({std::max(when, now_), ++last_, std::move(work)});
  std::push_heap(events_.begin(), events_.end(), later);
}

void Clock::run(coap::Instant end) {
  while (!events_.empty() && events_.front().when <= end) {
    std::pop_heap(events_.begin(), events_.end(), later);
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.when;
    event.work();
  }
  now_ = end;
}

struct Timer::State {
  std::function<void()> ring;
  std::optional<coap::Instant> deadline;
  std::optional<coap::Instant> armed;  // the earliest event that stands in the clock
};

Timer::Timer(Clock& clock, std::function<void()> ring)
    : clock_(clock), state_(std::make_shared<State>(State{std::move(ring), {}, {}})) {}

Timer::~Timer() { state_->ring = nullptr; }

void Timer::set(std::optional<coap::Instant> deadline) {
  state_->deadline = deadline;
  if (deadline && (!state_->armed || *deadline < *state_->armed)) arm(clock_, state_);
}

void Timer::arm(Clock& clock, const std::shared_ptr<State>& state) {
  const auto when = std::max(*state->deadline, clock.now());
  state->armed = when;
  clock.at(when, [&clock, when, weak = std::weak_ptr(state)] {
    const auto timer = weak.lock();
    if (!timer || !timer->ring || timer->armed != when) return;
    timer->armed.reset();
    if (!timer->deadline) return;
    if (*timer->deadline > clock.now()) return arm(clock, timer);
    timer->deadline.reset();
    const auto ring = timer->ring;  // it may end this alarm
    ring();
  });
}

}  // namespace wardlink::simulation

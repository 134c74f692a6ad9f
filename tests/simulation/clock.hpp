#pragma once
// Virtual time: what is to happen, in its order. Everything of a run hangs on one clock; nothing sleeps.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "coap/instant.hpp"

namespace wardlink::simulation {

using namespace std::chrono_literals;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

class Clock {
 public:
  using Work = std::function<void()>;

  coap::Instant now() const { return now_; }
  /// The true calendar.
  static WallTime calendar_at(coap::Instant when) { return first_ + when.time_since_epoch(); }
  WallTime calendar() const { return calendar_at(now_); }

  /// What is due at the same instant happens in the order in which it was asked for.
  void at(coap::Instant when, Work work);
  void in(coap::Duration delay, Work work) { at(now_ + delay, std::move(work)); }
  /// Lets time pass up to `end`, and all that is due by then happen.
  void run(coap::Instant end);

 private:
  struct Event {
    coap::Instant when;
    std::uint64_t number;
    Work work;
  };
  static constexpr WallTime first_{std::chrono::seconds{1'767'225'600}};
  static bool later(const Event& one, const Event& other);

  coap::Instant now_{};
  std::uint64_t last_ = 0;
  std::vector<Event> events_;  // a heap
};

/// Wakes one endpoint at its own deadline. Owned by the endpoint's holder; forgotten with it.
class Timer {
 public:
  Timer(Clock& clock, std::function<void()> ring);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Rings at `deadline`, and no more at what was set before; empty: not at all.
  void set(std::optional<coap::Instant> deadline);

 private:
  struct State;
  static void arm(Clock& clock, const std::shared_ptr<State>& state);

  Clock& clock_;
  std::shared_ptr<State> state_;
};

}  // namespace wardlink::simulation

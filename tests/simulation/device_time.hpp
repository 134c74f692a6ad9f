#pragma once
// A device's own clocks, which drift from virtual time and jump: the one that its loop counts deadlines by, which
// stands while the device sleeps, and the one that its ticks come from, which counts sleep where the device is healthy.
// Neither goes back.

#include <cstdint>
#include <vector>

#include "clock.hpp"

namespace wardlink::simulation {

class DeviceTime {
 public:
  /// `drift_ppm`: positive is fast; below 1,000 either way.
  DeviceTime(const Clock& clock, std::int64_t drift_ppm) : clock_(clock), drift_ppm_(drift_ppm) {}

  /// The loop's clock. Awake, the core's deadlines come true at when().
  coap::Instant now() const { return of_loop(clock_.now()); }
  /// The first virtual instant, from the last jump on, at which now() has come so far.
  coap::Instant when(coap::Instant deadline) const;

  /// What the ticks' clock says, said, or will say.
  coap::Instant of_ticks(coap::Instant at) const;
  /// The virtual instants at which the ticks' clock was within [reading, reading + 1 ms), awake: the earliest and the
  /// latest. Where it jumped over that: when it did. What it has not reached yet: now.
  struct Span {
    coap::Instant first, last;
  };
  Span when_ticks_said(coap::Instant reading) const;

  // -- faults
  void sleep();
  /// `counted`: the ticks have gone on meanwhile.
  void wake(bool counted);
  /// So long ago it slept, woke up, or jumped last.
  coap::Duration undisturbed() const { return clock_.now() - pieces_.back().from; }
  bool sleeps() const { return pieces_.back().sleeps; }
  /// The ticks are so much ahead of what they were.
  void step(coap::Duration ahead);

  /// By how much the ticks' clock was wrong about how long it is from one instant to the other, and how often it
  /// jumped.
  struct Jumps {
    coap::Duration sum{};
    unsigned count = 0;
  };
  Jumps jumps(coap::Instant from, coap::Instant until) const;
  std::int64_t drift_ppm() const { return drift_ppm_; }

 private:
  /// From then on.
  struct Piece {
    coap::Instant from{}, loop{}, ticks{};
    bool sleeps = false;
    coap::Duration jump{};  // of the ticks, at its beginning or, asleep, by its end
  };
  const Piece& piece_at(coap::Instant at) const;
  coap::Duration passed(const Piece& piece, coap::Instant at) const;
  coap::Duration to_virtual(coap::Duration own) const;
  coap::Instant of_loop(coap::Instant at) const;
  void begin(Piece piece);

  const Clock& clock_;
  std::int64_t drift_ppm_;
  std::vector<Piece> pieces_{Piece{}};
};

}  // namespace wardlink::simulation

#pragma once
// The database's calendar: wrong from the beginning, and set while it runs. What it showed when, and between which two
// comparisons somebody set it, is kept.

#include <algorithm>
#include <vector>

#include "clock.hpp"

namespace wardlink::simulation {

class Calendar {
 public:
  /// `off`: ahead of virtual time.
  Calendar(const Clock& clock, coap::Duration off)
      : clock_(clock), pieces_{{coap::Instant::min(), off}}, off_then_(off) {}

  WallTime now() const { return at(clock_.now()); }
  /// What it showed then.
  WallTime at(coap::Instant when) const;
  struct Span {
    WallTime first, last;
  };
  /// What can be said of when that was: what it showed from `first` to `last`; between two comparisons between which it
  /// was set also what it would have shown had that been earlier, or later.
  Span said(coap::Instant first, coap::Instant last) const;

  /// With all instants that came twice together with one of these: it was set back.
  Span with_repeated(Span span) const;
  /// Whether it was set, in that time or about it.
  bool was_set(coap::Instant from, coap::Instant until) const {
    return std::ranges::any_of(gaps_, [&](const Step& gap) { return gap.from <= until && gap.until >= from; });
  }

  /// It is set, ahead or back.
  void step(coap::Duration by);
  /// Somebody compares it with a clock that nobody sets, now.
  void compared();

  /// It was set, as two comparisons show.
  struct Step {
    coap::Instant from, until;  // of the comparisons
    coap::Duration before, after;
    WallTime low() const { return wall(from, std::min(before, after)); }
    WallTime high() const { return wall(until, std::max(before, after)); }

   private:
    static WallTime wall(coap::Instant at, coap::Duration off);
  };
  std::vector<Step> steps() const;

 private:
  /// From then on it is so much ahead.
  struct Piece {
    coap::Instant from;
    coap::Duration off;
  };
  const Piece& piece_at(coap::Instant when) const;

  const Clock& clock_;
  std::vector<Piece> pieces_;
  std::vector<Step> gaps_;  // those in which it was set, by as much as nothing in sum
  coap::Instant compared_{};
  coap::Duration off_then_{};
  bool is_set_ = false;  // since
};

}  // namespace wardlink::simulation

#include "calendar.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wardlink::simulation {

WallTime Calendar::Step::wall(coap::Instant at, coap::Duration off) { return Clock::calendar_at(at) + off; }

const Calendar::Piece& Calendar::piece_at(coap::Instant when) const {
  return *std::prev(std::ranges::upper_bound(pieces_, when, {}, &Piece::from));
}

WallTime Calendar::at(coap::Instant when) const { return Clock::calendar_at(when) + piece_at(when).off; }

Calendar::Span Calendar::said(coap::Instant first, coap::Instant last) const {
  Span span{std::min(at(first), at(last)), std::max(at(first), at(last))};
  for (const Step& gap : gaps_) {
    if (gap.until < first || gap.from > last) continue;
    const auto begin = Clock::calendar_at(std::max(first, gap.from)),
               end = Clock::calendar_at(std::min(last, gap.until));
    span.first = std::min(span.first, begin + std::min(gap.before, gap.after));
    span.last = std::max(span.last, end + std::max(gap.before, gap.after));
  }
  return span;
}

/// Since it was looked at by whoever keeps that; who compares it meanwhile says so to nobody.
constexpr auto last_look = 11s;

Calendar::Span Calendar::with_repeated(Span span) const {
  for (std::size_t more = 1; more > 0;) {
    more = 0;
    for (const Step& gap : gaps_) {
      if (gap.after >= gap.before || gap.low() - last_look > span.last || gap.high() + 1s < span.first) continue;
      const Span wider{std::min(span.first, gap.low() - last_look), std::max(span.last, gap.high() + 1s)};
      more += wider.first != span.first || wider.last != span.last ? 1 : 0;
      span = wider;
    }
  }
  return span;
}

void Calendar::step(coap::Duration by) {
  pieces_.push_back({clock_.now(), pieces_.back().off + by});
  is_set_ = true;
}

void Calendar::compared() {
  const auto now = clock_.now();
  if (std::exchange(is_set_, false)) gaps_.push_back({compared_, now, off_then_, pieces_.back().off});
  compared_ = now;
  off_then_ = pieces_.back().off;
}

std::vector<Calendar::Step> Calendar::steps() const {
  std::vector<Step> steps;
  std::ranges::copy_if(gaps_, std::back_inserter(steps), [](const Step& gap) { return gap.before != gap.after; });
  return steps;
}

}  // namespace wardlink::simulation

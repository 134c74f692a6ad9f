#include "device_time.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace wardlink::simulation {
namespace {

constexpr std::int64_t million = 1'000'000;

}  // namespace

// -- from virtual time to the device's --------------------------------------------------------------------------------

const DeviceTime::Piece& DeviceTime::piece_at(coap::Instant at) const {
  const auto next = std::ranges::upper_bound(pieces_, at, {}, &Piece::from);
  return next == pieces_.begin() ? *next : *std::prev(next);
}

/// As much as a clock that runs has gained since the piece began.
coap::Duration DeviceTime::passed(const Piece& piece, coap::Instant at) const {
  const auto since = at - piece.from;
  return since + since * drift_ppm_ / million;
}

coap::Instant DeviceTime::of_loop(coap::Instant at) const {
  const Piece& piece = piece_at(at);
  return piece.sleeps ? piece.loop : piece.loop + passed(piece, at);
}

coap::Instant DeviceTime::of_ticks(coap::Instant at) const {
  const Piece& piece = piece_at(at);
  return piece.sleeps ? piece.ticks : piece.ticks + passed(piece, at);
}

// -- and back ---------------------------------------------------------------------------------------------------------

/// The shortest time in which a running clock gains `own`.
coap::Duration DeviceTime::to_virtual(coap::Duration own) const {
  const auto rate = million + drift_ppm_;
  coap::Duration least{own.count() / rate * million + own.count() % rate * million / rate};
  while (least + least * drift_ppm_ / million < own) ++least;
  return least;
}

coap::Instant DeviceTime::when(coap::Instant deadline) const {
  const Piece& piece = pieces_.back();
  return deadline <= piece.loop ? piece.from : piece.from + to_virtual(deadline - piece.loop);
}

DeviceTime::Span DeviceTime::when_ticks_said(coap::Instant reading) const {
  const auto beyond = reading + 1ms;
  std::optional<Span> found;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    if (piece.sleeps) continue;
    if (beyond <= piece.ticks) return found.value_or(Span{piece.from, piece.from});
    const auto end = i + 1 < pieces_.size() ? pieces_[i + 1].from : clock_.now();
    const auto first = reading <= piece.ticks ? piece.from : piece.from + to_virtual(reading - piece.ticks);
    if (first > end) continue;
    if (!found) found = {first, first};
    found->last = std::min(end, piece.from + to_virtual(beyond - piece.ticks));
  }
  return found.value_or(Span{clock_.now(), clock_.now()});
}

// -- faults -----------------------------------------------------------------------------------------------------------

void DeviceTime::begin(Piece piece) {
  piece.from = clock_.now();
  pieces_.push_back(piece);
}

void DeviceTime::sleep() {
  const auto now = clock_.now();
  begin({{}, of_loop(now), of_ticks(now), true});
}

void DeviceTime::wake(bool counted) {
  Piece& slept = pieces_.back();
  const auto now = clock_.now();
  Piece awake{{}, slept.loop, slept.ticks};
  if (counted)
    awake.ticks += passed(slept, now);
  else
    slept.jump = now - slept.from;
  begin(awake);
}

void DeviceTime::step(coap::Duration ahead) {
  const auto now = clock_.now();
  Piece piece = pieces_.back();
  piece.loop = of_loop(now);
  piece.ticks = of_ticks(now) + ahead;
  piece.jump = ahead;
  begin(piece);
}

DeviceTime::Jumps DeviceTime::jumps(coap::Instant from, coap::Instant until) const {
  Jumps jumps;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto end = i + 1 < pieces_.size() ? pieces_[i + 1].from : clock_.now();
    const bool touches =
        pieces_[i].sleeps ? pieces_[i].from <= until && end > from : pieces_[i].from > from && pieces_[i].from <= until;
    if (pieces_[i].jump == coap::Duration{} || !touches) continue;
    jumps.sum += pieces_[i].jump;
    ++jumps.count;
  }
  return jumps;
}

}  // namespace wardlink::simulation

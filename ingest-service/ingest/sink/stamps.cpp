#include "ingest/sink/stamps.hpp"

#include <utility>

namespace wardlink::ingest {

std::optional<std::uint64_t> Stamps::ask(coap::Instant now) {
  if (asked_ || now < due_) return std::nullopt;
  asked_ = now;
  return ++last_;
}

bool Stamps::take_overdue(coap::Instant now) {
  if (best_ || !asked_ || now - *asked_ < config_.patience) return false;
  return !std::exchange(told_overdue_, true);
}

std::optional<coap::Instant> Stamps::next_deadline() const {
  if (!asked_) return due_;
  return best_ || told_overdue_ ? std::nullopt : std::optional(*asked_ + config_.patience);
}

bool Stamps::answered(std::uint64_t number, std::optional<WallTime> calendar, coap::Instant now) {
  if (!asked_ || number != last_) return false;
  const auto half = (now - *asked_ + coap::Duration{1}) / 2;
  const Stamp stamp{number, *asked_ + half, half};
  asked_.reset();
  due_ = now + (calendar ? config_.interval : config_.first_interval);
  const bool better = is_better(stamp);
  if (calendar && (better || !told_)) told_ = {*calendar, stamp.at};
  if (better) best_ = stamp;
  return true;
}

bool Stamps::is_better(const Stamp& stamp) const {
  if (!best_) return true;
  // Its age by the latest moment that the new one may be of: while that was on its way for an hour, the old one did not
  // become worse by more than the drift.
  const auto age = stamp.at + stamp.uncertainty - best_->at;
  return stamp.uncertainty <= best_->uncertainty + age * config_.drift_ppm / 1'000'000;
}

void Stamps::restart() {
  last_ = 0;
  asked_.reset();
  due_ = coap::Instant::min();
  best_.reset();
  told_overdue_ = false;
}

std::optional<WallTime> Stamps::calendar(coap::Instant now) const {
  if (!told_) return std::nullopt;
  return told_->calendar + (now - told_->at);
}

}  // namespace wardlink::ingest

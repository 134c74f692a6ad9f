#include "storage/live/queue.hpp"

#include "storage/live/message.hpp"

namespace wardlink::storage {

LiveQueue::LiveQueue(LiveFilter filter, std::size_t limit, std::function<void()> cancel)
    : filter_(std::move(filter)), limit_(limit), cancel_(std::move(cancel)) {}

void LiveQueue::offer(const Message& message) {
  const locks::Lock lock(mutex_);
  if (end_ != End::none || !passes(filter_, *message)) return;
  if (waiting_.size() >= limit_) {
    end_ = End::overflow;
    waiting_.clear();
  } else {
    waiting_.push_back(message);
  }
  changed_.notify_one();
}

void LiveQueue::settle(LivePosition settled, std::uint64_t durable, Instant complete_until) {
  const locks::Lock lock(mutex_);
  settled_ = {settled, durable, complete_until};
}

void LiveQueue::end(End how) {
  const locks::Lock lock(mutex_);
  if (end_ == End::none) end_ = how;
  waiting_.clear();
  changed_.notify_one();
}

void LiveQueue::cancel_if_stuck(Clock::time_point now, std::chrono::milliseconds limit) {
  const locks::Lock lock(mutex_);
  if (closed_ || !writing_since_ || now - *writing_since_ < limit) return;
  if (end_ == End::none) end_ = End::overflow;
  waiting_.clear();
  cancel_();
}

bool LiveQueue::closed() const {
  const locks::Lock lock(mutex_);
  return closed_;
}

std::optional<LiveQueue::Message> LiveQueue::next(Clock::time_point by) {
  const locks::Lock lock(mutex_);
  changed_.wait_until(mutex_, by, [this]() REQUIRES(mutex_) { return !waiting_.empty() || end_ != End::none; });
  if (waiting_.empty()) return std::nullopt;
  auto message = std::move(waiting_.front());
  waiting_.pop_front();
  return message;
}

LiveQueue::End LiveQueue::ended() const {
  const locks::Lock lock(mutex_);
  return end_;
}

std::optional<LiveQueue::Settled> LiveQueue::settled() const {
  const locks::Lock lock(mutex_);
  return waiting_.empty() && end_ == End::none ? settled_ : std::nullopt;
}

void LiveQueue::write_begins() {
  const locks::Lock lock(mutex_);
  writing_since_ = Clock::now();
}

void LiveQueue::write_ends() {
  const locks::Lock lock(mutex_);
  writing_since_.reset();
}

void LiveQueue::close() {
  const locks::Lock lock(mutex_);
  closed_ = true;
  waiting_.clear();
}

}  // namespace wardlink::storage

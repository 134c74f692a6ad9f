#include "storage/live/tail.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "storage/live/message.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t page = 2000;  // events of each kind
constexpr auto poll_pause = 200ms;  // a notification that got lost, a transaction that ended without a commit
constexpr auto idle_pause = 1000ms;
constexpr auto least_pause = 20ms;  // between two looks, however much is committed

}  // namespace

LiveTail::LiveTail(LiveStore& store, Limits limits) : store_(store), limits_(limits), thread_([this] { run(); }) {}

LiveTail::~LiveTail() {
  stop();
  thread_.join();
}

LiveTail::Opened LiveTail::open(const LiveFilter& filter, std::function<void()> cancel) {
  const auto pending = std::make_shared<Pending>();
  pending->queue = std::make_shared<LiveQueue>(filter, limits_.queue, std::move(cancel));
  const locks::Lock lock(mutex_);
  std::erase_if(queues_, [](const auto& queue) { return queue->closed(); });
  if (queues_.size() + pending_.size() >= limits_.watchers) {
    throw Exhausted("there are as many live streams as this service serves; try another, or later");
  }
  pending_.push_back(pending);
  changed_.notify_all();
  store_.wake();
  changed_.wait_for(mutex_, limits_.begin, [&]() REQUIRES(mutex_) { return pending->from || stopping_; });
  std::erase(pending_, pending);
  if (stopping_) throw Stopping("the service stops: go on from the last cursor");
  if (!pending->from) throw StoreError(StoreError::Kind::away, "the live stream does not begin");
  return {pending->queue, *pending->from};
}

Instant LiveTail::calendar() {
  const locks::Lock lock(mutex_);
  return last_look_.at +
         std::chrono::duration_cast<std::chrono::microseconds>(LiveQueue::Clock::now() - last_look_.taken);
}

void LiveTail::stop() {
  {
    const locks::Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  store_.wake();
  end_all(LiveQueue::End::stopping);
}

void LiveTail::run() {
  while (await_watcher()) {
    try {
      follow();
      return;
    } catch (const std::exception& error) {
      if (!away_) spdlog::warn(fmt::format("live streams wait: {}", error.what()));
      away_ = true;
    }
    end_all(LiveQueue::End::away);
    idle_for(500ms);
  }
}

/// Until told to stop. Throws when the database is away.
void LiveTail::follow() {
  const auto listener = store_.listen();
  epoch_ = store_.epoch();
  away_ = false;
  // Who watched before was ended when the database went away, so nobody misses what happened meanwhile.
  while (!idle_for(least_pause)) {
    const bool watched = is_watched();
    if (watched) look();
    listener->wait(watched ? poll_pause : idle_pause);
  }
}

void LiveTail::look() {
  const auto horizon = store_.horizon();
  admit(horizon);
  read_until(horizon.settled);
  note_complete(horizon);
  const auto now = LiveQueue::Clock::now();
  const locks::Lock lock(mutex_);
  for (const auto& queue : queues_) {
    queue->settle(position_, horizon.durable, complete_until_);
    queue->cancel_if_stuck(now, limits_.stuck);
  }
}

void LiveTail::admit(const Horizon& horizon) {
  const locks::Lock lock(mutex_);
  last_look_ = {horizon.at, LiveQueue::Clock::now()};
  if (std::ranges::all_of(queues_, [](const auto& queue) { return queue->ended() != LiveQueue::End::none; })) {
    position_ = {.transaction = horizon.settled};
    mark_.reset();
  }
  for (const auto& each : pending_) {
    if (stopping_ || each->from) continue;
    each->from = position_;
    queues_.push_back(each->queue);
  }
  pending_.clear();
  changed_.notify_all();
}

/// Whatever any of the watchers wants. Waveforms are much, so that they are read for who asked for them only.
LiveFilter LiveTail::wanted() {
  const locks::Lock lock(mutex_);
  LiveFilter filter;
  filter.for_all = true;
  filter.waveforms = std::ranges::any_of(queues_, [](const auto& queue) { return queue->filter().waveforms; });
  return filter;
}

void LiveTail::read_until(std::uint64_t transaction) {
  const auto filter = wanted();
  for (bool complete = position_ >= LivePosition{.transaction = transaction}; !complete;) {
    const auto found = store_.live(filter, position_, transaction, page);
    complete = found.complete;
    const locks::Lock lock(mutex_);
    for (const auto& event : found.events) {
      const auto message = std::make_shared<const LiveMessage>(to_message(event, epoch_));
      for (const auto& queue : queues_) queue->offer(message);
    }
    if (!found.events.empty()) position_ = found.events.back().at;
  }
  position_ = std::max(position_, LivePosition{.transaction = transaction});
}

/// What was committed by the instant of a look has been read once every transaction that had begun by then has ended.
void LiveTail::note_complete(const Horizon& horizon) {
  if (mark_ && horizon.settled < mark_->next) return;
  if (mark_) complete_until_ = mark_->at;
  mark_ = {horizon.next, horizon.at};
  if (horizon.settled >= horizon.next) complete_until_ = horizon.at;
}

void LiveTail::end_all(LiveQueue::End how) {
  const locks::Lock lock(mutex_);
  for (const auto& queue : queues_) queue->end(how);
}

bool LiveTail::is_watched() {
  const locks::Lock lock(mutex_);
  std::erase_if(queues_, [](const auto& queue) { return queue->closed(); });
  return !queues_.empty() || !pending_.empty();
}

/// So a process that nobody watches, or that is started again and again, opens no connection for it. False when told to
/// stop.
bool LiveTail::await_watcher() {
  const locks::Lock lock(mutex_);
  changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || !queues_.empty() || !pending_.empty(); });
  return !stopping_;
}

/// True when told to stop.
bool LiveTail::idle_for(std::chrono::milliseconds time) {
  const locks::Lock lock(mutex_);
  return changed_.wait_for(mutex_, time, [this]() REQUIRES(mutex_) { return stopping_; });
}

}  // namespace wardlink::storage

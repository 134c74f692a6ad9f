#include "storage.hpp"

#include <algorithm>
#include <utility>

#include "storage/api/ingest_conversation.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::simulation {

Storage::Storage(Clock& clock, Chance chance, Sometimes& sometimes, Trace& trace, Database& database)
    : clock_(clock), chance_(chance), sometimes_(sometimes), trace_(trace), database_(database) {
  start();
}

void Storage::start() {
  calendar_.emplace(database_.records(), "host", [&clock = clock_] { return moment_of(clock); });
  up_ = true;
  ++life_;
  look_at_calendar(life_);
}

/// As the program does, every so often.
void Storage::look_at_calendar(unsigned life) {
  if (!up_ || life != life_) return;
  if (!database_.faults.away) {
    calendar_->look();
    database_.calendar().compared();
  }
  clock_.in(10s, [this, life] { look_at_calendar(life); });
}

void Storage::die() {
  up_ = false;
  for (const auto& weak : std::exchange(streams_, {}))
    if (const auto stream = weak.lock()) stream->lose(true);
}

void Storage::break_streams() {
  for (const auto& weak : std::exchange(streams_, {}))
    if (const auto stream = weak.lock()) stream->lose(false);
}

std::shared_ptr<StorageStream> Storage::open(std::function<void(const v1::IngestResponse&)> answer,
                                             std::function<void()> lost) {
  if (!up_) return nullptr;
  auto stream = std::make_shared<StorageStream>(*this, std::move(answer), std::move(lost));
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  streams_.push_back(stream);
  return stream;
}

/// What storage has of a stream. It outlives the connection: a batch that waits is handled, its answer lost.
struct StorageStream::End {
  storage::IngestConversation conversation;
  std::deque<std::pair<v1::IngestRequest, storage::Moment>> requests;
  bool busy = false;
  bool dead = false;  // with the process
  coap::Duration pause{};
};

StorageStream::StorageStream(Storage& storage, std::function<void(const v1::IngestResponse&)> answer,
                             std::function<void()> lost)
    : storage_(storage),
      answer_(std::move(answer)),
      lost_(std::move(lost)),
      end_(std::make_shared<End>(
          End{storage::IngestConversation(
                  storage.database_.open_writer(), [&clock = storage.clock_] { return moment_of(clock); },
                  *storage.calendar_, [](auto, auto) {}),
              {}})) {}

StorageStream::~StorageStream() = default;

void StorageStream::abandon() {
  answer_ = nullptr;
  lost_ = nullptr;
}

void StorageStream::lose(bool storage_died) {
  end_->dead = end_->dead || storage_died;
  answer_ = nullptr;
  if (const auto lost = std::exchange(lost_, nullptr)) storage_.clock_.in(1ms, lost);
}

coap::Duration StorageStream::send(v1::IngestRequest request) {
  if (!answer_) return {};
  storage_.trace_.add(static_cast<std::uint64_t>(request.kind_case()));
  auto& clock = storage_.clock_;
  last_up_ = std::max(last_up_, clock.now() + storage_.chance_.between(coap::Duration{100us}, coap::Duration{2ms}));
  clock.at(last_up_, [self = shared_from_this(), request = std::move(request)]() mutable {
    if (!self->answer_) return;  // lost on the way
    self->end_->requests.emplace_back(std::move(request), moment_of(self->storage_.clock_));
    self->handle();
  });
  // Now and then the connection takes no more for a while, as when its window is full.
  const bool full = storage_.chance_.happens(0.05);
  if (full) storage_.sometimes_.happened("a write to storage took long");
  return storage_.chance_.between(coap::Duration{50us}, full ? coap::Duration{100ms} : coap::Duration{1ms});
}

/// One request after the other; while the database is away the first of them is tried again.
void StorageStream::handle() {
  if (end_->busy || end_->dead || end_->requests.empty()) return;
  end_->busy = true;
  const auto took = coap::Duration{500us} + storage_.database_.faults.slowness;
  storage_.clock_.in(took, [self = shared_from_this()] { self->try_first(); });
}

void StorageStream::try_first() {
  if (end_->dead) return;
  std::optional<v1::IngestResponse> response;
  try {
    const auto& [request, received] = end_->requests.front();
    storage_.database_.expect_dating(!request.has_stamp_request());
    response = end_->conversation.handle(request, received);
  } catch (const storage::StoreError& error) {
    return error.kind() == storage::StoreError::Kind::away ? wait() : lose(true);
  }
  end_->requests.pop_front();
  end_->pause = {};
  end_->busy = false;
  if (response) reply(std::move(*response));
  handle();
}

void StorageStream::wait() {
  if (!answer_) return;  // cancelled: nobody waits any more
  end_->pause = std::clamp<coap::Duration>(end_->pause * 2, 50ms, 1s);
  storage_.clock_.in(end_->pause, [self = shared_from_this()] {
    self->end_->busy = false;
    self->handle();
  });
}

void StorageStream::reply(v1::IngestResponse response) {
  storage_.trace_.add(static_cast<std::uint64_t>(response.append_result().batch()));
  for (const int result : response.append_result().results()) storage_.trace_.add(static_cast<std::uint64_t>(result));
  auto& clock = storage_.clock_;
  last_down_ = std::max(last_down_, clock.now() + storage_.chance_.between(coap::Duration{100us}, coap::Duration{2ms}));
  clock.at(last_down_, [self = shared_from_this(), response = std::move(response)] {
    if (const auto answer = self->answer_) answer(response);  // it may lose the stream
  });
}

}  // namespace wardlink::simulation

#include "ingest/sink/turns.hpp"

#include <utility>

namespace wardlink::ingest {
namespace {

/// Roughly what a record takes on its way, bytes.
std::size_t size_of(const Record& record) {
  constexpr std::size_t key = 64;
  struct Body {
    std::size_t operator()(const SignValues& set) const { return set.values.size() * 16; }
    std::size_t operator()(const AlarmFact& alarm) const { return 64 + alarm.code.size(); }
    std::size_t operator()(const WaveformRun& run) const { return run.samples.size(); }
    std::size_t operator()(const Quarantined& raw) const { return raw.payload.size() + raw.resource.size(); }
  };
  return key + std::visit(Body{}, record.fact.body);
}

}  // namespace

void Turns::put_last(LaneSession& session, WaitingRecord waiting) {
  count_in(session, waiting.record);
  session.waiting.push_back(std::move(waiting));
  activate(session);
}

void Turns::put_first(LaneSession& session, WaitingRecord waiting) {
  count_in(session, waiting.record);
  session.waiting.push_front(std::move(waiting));
  activate(session);
}

void Turns::count_in(LaneSession& session, const Record& record) {
  const auto size = size_of(record);
  session.bytes += size;
  if (!session.retry) weigh(*session.device, session.device->bytes + size);
}

Record Turns::take_oldest(LaneSession& session) {
  Record record = std::move(session.waiting.front().record);
  session.waiting.pop_front();
  const auto size = size_of(record);
  session.bytes -= size;
  if (!session.retry) weigh(*session.device, session.device->bytes - size);
  return record;
}

void Turns::weigh(LaneDevice& device, std::size_t bytes) {
  if (device.bytes != 0) by_bytes_.erase({device.bytes, device.number, &device});
  device.bytes = bytes;
  if (bytes != 0) by_bytes_.emplace(bytes, device.number, &device);
}

void Turns::activate(LaneSession& session) {
  if (session.retry || session.waiting.empty()) return;
  LaneDevice& device = *session.device;
  if (!std::exchange(session.active, true)) device.active.push_back(&session);
  if (!std::exchange(device.in_ring, true)) ring_.push_back(&device);
}

/// The session whose record is the device's next; nullptr where nothing waits.
LaneSession* Turns::first_of(LaneDevice& device) {
  for (; !device.active.empty(); device.active.pop_front()) {
    LaneSession& session = *device.active.front();
    if (!session.retry && !session.waiting.empty()) return &session;
    session.active = false;
  }
  return nullptr;
}

// M. Shreedhar and G. Varghese, "Efficient fair queueing using deficit round robin", 1995.

LaneSession* Turns::first() {
  for (; !ring_.empty(); ring_.pop_front()) {
    LaneDevice& device = *ring_.front();
    if (LaneSession* session = first_of(device)) return session;
    device.in_turn = device.in_ring = false;
    device.deficit = 0;
  }
  return nullptr;
}

std::optional<Record> Turns::serve(LaneSession& session) {
  LaneDevice& device = *session.device;
  if (!std::exchange(device.in_turn, true)) device.deficit += quantum_;
  const auto size = size_of(session.waiting.front().record);
  if (device.deficit >= size) {
    device.deficit -= size;
    return take_oldest(session);
  }
  ring_.pop_front();
  device.in_turn = false;
  ring_.push_back(&device);
  return std::nullopt;
}

LaneSession* Turns::greediest() {
  return by_bytes_.empty() ? nullptr : first_of(*std::get<LaneDevice*>(*by_bytes_.rbegin()));
}

void Turns::suspend(LaneSession& session) { weigh(*session.device, session.device->bytes - session.bytes); }

void Turns::resume(LaneSession& session) {
  weigh(*session.device, session.device->bytes + session.bytes);
  activate(session);
}

void Turns::forget(LaneSession& session) {
  if (session.active) std::erase(session.device->active, &session);
}

void Turns::forget(LaneDevice& device) {
  if (device.in_ring) std::erase(ring_, &device);
}

}  // namespace wardlink::ingest

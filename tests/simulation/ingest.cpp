#include "ingest.hpp"

#include <utility>

namespace wardlink::simulation {
namespace {

/// Datagrams of which nothing was taken.
std::uint64_t count_turned_away(const ingest::ShardStats& stats) {
  return stats.listener.no_session + stats.listener.unauthenticated + stats.session.rejected_tokens[0] +
         stats.session.rejected_tokens[1] + stats.connections.notifications_over + stats.connections.held_over +
         stats.connections.malformed;
}

}  // namespace

/// A shard on its thread: here, on the clock.
struct Ingest::Worker {
  Worker(Ingest& ingest, ingest::Owners& owners, std::uint64_t cookie_secret)
      : clock(ingest.shared_.clock),
        network(ingest.shared_.network),
        sink(
            clock, ingest.shared_.storage,
            [this](std::vector<ingest::SinkEvent> events) {
              post([this, events = std::move(events)] { shard->handle_sink(events); });
            },
            ingest.room_ == Room::narrow_lanes, ingest.shared_.reached, ingest.shared_.exchanged),
        timer(clock, [this] {
          shard->handle_timeout(clock.now());
          pump();
        }) {
    // Of no effect.
    const auto off = ingest.chance_.between(coap::Duration{-24h * 365 * 50}, coap::Duration{24h * 365 * 50});
    ingest::Shard::Environment environment{
        [this, off] { return clock.calendar() + off; }, [this] { return clock.now(); },
        [this](std::function<void()> work) { post(std::move(work)); }, [this] { pump(); }};
    ingest::Shard::Config shards;
    if (ingest.room_ == Room::few_open_alarms) shards.session.open_alarms = 16;  // a datagram carries no more
    Sessions::Config config;
    config.connection = ingest::listener_config().connection;
    shard = std::make_unique<ingest::Shard>(std::make_unique<Sessions>(config, cookie_secret, ingest.chance_.random()),
                                            shards, ingest.chance_.random(), sink, owners, std::move(environment));
  }

  void post(std::function<void()> work) {
    clock.in(coap::Duration{0}, [work = std::move(work), weak = std::weak_ptr(alive)] {
      if (!weak.expired()) work();
    });
  }
  void pump() {
    while (auto datagram = shard->poll_datagram()) network.send_down(datagram->to, std::move(datagram->bytes));
    timer.set(shard->next_deadline());
  }

  Clock& clock;
  Network& network;
  std::shared_ptr<int> alive = std::make_shared<int>();
  LaneSink sink;
  std::unique_ptr<ingest::Shard> shard;
  Timer timer;
  std::uint64_t turned_away = 0;
};

struct Ingest::Process {
  ingest::Owners owners;
  std::array<std::unique_ptr<Worker>, shards> workers;
};

Ingest::Ingest(Shared shared, Chance chance, Room room) : shared_(shared), chance_(chance), room_(room) {}

Ingest::~Ingest() = default;

void Ingest::start() {
  if (process_) return;
  process_ = std::make_unique<Process>();
  const auto cookie_secret = chance_.next();
  for (auto& worker : process_->workers) worker = std::make_unique<Worker>(*this, process_->owners, cookie_secret);
}

void Ingest::die() {
  if (!process_) return;
  add(past_, *process_);
  for (const auto& worker : process_->workers) past_.lost_readings += worker->sink.readings().size();
  process_.reset();
}

void Ingest::stop() {
  if (!process_) return;
  for (const auto& worker : process_->workers) worker->shard->close_all();
  shared_.clock.in(1s, [this, process = process_.get()] {
    if (process_.get() == process) die();
  });
}

bool Ingest::handle_datagram(const coap::Address& from, coap::ByteView datagram) {
  if (!process_) return false;
  Worker& worker = *process_->workers[std::hash<coap::Address>{}(from) % shards];
  worker.shard->handle_datagram(from, datagram, shared_.clock.now());
  worker.pump();
  const auto turned_away = count_turned_away(worker.shard->stats());
  return std::exchange(worker.turned_away, turned_away) == turned_away;
}

void Ingest::add(Counts& sum, const Process& process) {
  const auto add_counters = [](ingest::LaneQueue::Counters& into, const ingest::LaneQueue::Counters& one) {
    into.shed_vitals += one.shed_vitals;
    into.shed_waveforms += one.shed_waveforms;
    into.shed_quarantined += one.shed_quarantined;
    into.alarms_refused += one.alarms_refused;
    into.appended += one.appended;
    into.resent += one.resent;
    into.parked += one.parked;
    into.waited += one.waited;
  };
  for (const auto& worker : process.workers) {
    ingest::add(sum.shards, worker->shard->stats());
    add_counters(sum.readings, worker->sink.readings().counters());
    add_counters(sum.alarms, worker->sink.alarms().counters());
  }
}

Ingest::Counts Ingest::counts() const {
  Counts sum = past_;
  if (process_) add(sum, *process_);
  return sum;
}

std::size_t Ingest::waiting() const {
  std::size_t sum = 0;
  if (process_)
    for (const auto& worker : process_->workers) sum += worker->sink.readings().size() + worker->sink.alarms().size();
  return sum;
}

}  // namespace wardlink::simulation

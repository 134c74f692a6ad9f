#include "ingest/service.hpp"

#include <malloc.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "coap/udp_driver.hpp"
#include "ingest/shard/shard.hpp"

namespace wardlink::ingest {
namespace {

/// Where storage's calendar is not known yet.
WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

constexpr std::chrono::milliseconds kPatience{500};  // with a shard that is asked for its counters

coap::Bytes draw_secret() {
  coap::Bytes secret(32);
  coap::secure_random()(secret);
  return secret;
}

template <class T>
T checked(coap::Result<T, std::string> result) {
  if (!result) throw std::runtime_error(result.error());
  return std::move(*result);
}

/// A socket for each shard, all on one port. The first one is alone with it, so of two programs that begin at once one
/// ends here.
std::vector<std::shared_ptr<coap::UdpSocket>> bind_sockets(const Config& config, unsigned shards) {
  using Sharing = coap::UdpDriver::Sharing;
  coap::UdpDriver::Config socket;
  socket.host = config.listen;
  socket.port = config.port;
  socket.tells_local = true;
  socket.sharing = shards > 1 ? Sharing::first : Sharing::none;
  std::vector<std::shared_ptr<coap::UdpSocket>> sockets;
  while (sockets.size() < shards) {
    sockets.push_back(checked(coap::UdpDriver::bind(socket)));
    socket.port = coap::UdpDriver::port_of(*sockets.front());
    socket.sharing = Sharing::joins;
  }
  return sockets;
}

}  // namespace

/// One thread and what it owns. The sink's threads post to the loop, so the sink goes first.
struct Service::Worker {
  coap::EventLoop loop;
  coap::Listener* listener = nullptr;  // the shard's
  std::unique_ptr<Shard> shard;
  std::unique_ptr<coap::UdpDriver> driver;
  std::unique_ptr<GrpcSink> sink;
  std::thread thread;
  mutable ShardStats last;  // under collecting_

  /// Runs on the loop's thread.
  template <class Work>
  std::future<void> run(Work work) const {
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    const_cast<coap::EventLoop&>(loop).post([work = std::move(work), done] {
      work();
      done->set_value();
    });
    return future;
  }
};

Service::Service(const Config& config) {
  dtls_options_.allow_ccm_8 = config.allow_ccm_8;
  dtls_options_.key_log = config.key_log;
  const auto context = checked(coap::DtlsContext::server(config.credentials.dtls, dtls_options_));
  const auto secret = draw_secret();
  const unsigned shards = config.shards != 0 ? config.shards : std::max(1u, std::thread::hardware_concurrency());
  const auto sockets = bind_sockets(config, shards);
  port_ = coap::UdpDriver::port_of(*sockets.front());
  GrpcSink::Config sink{config.storage, config.credentials.storage, config.readings_capacity};
  for (unsigned i = 0; i < shards; ++i) {
    Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
    const auto deliver = [&worker](std::vector<SinkEvent> events) {
      worker.loop.post([&worker, events = std::move(events)] { worker.shard->handle_sink(events); });
    };
    worker.sink = std::make_unique<GrpcSink>(
        sink, deliver, [this](const auto& change) { tell(change); },
        [](const std::string& sentence) { spdlog::error(sentence); });
    const auto calendar = [&worker] { return worker.sink->calendar(coap::EventLoop::now()).value_or(wall_now()); };
    Shard::Environment environment{calendar, coap::EventLoop::now,
                                   [&worker](std::function<void()> work) { worker.loop.post(std::move(work)); },
                                   [&worker] { worker.driver->wake(); }, [] { malloc_trim(0); }};
    auto listener = std::make_unique<coap::Listener>(context, secret, listener_config(), coap::secure_random());
    worker.listener = listener.get();
    worker.shard = std::make_unique<Shard>(std::move(listener), Shard::Config{}, coap::secure_random(), *worker.sink,
                                           owners_, std::move(environment));
    worker.driver = coap::UdpDriver::drive(worker.loop, sockets[i], *worker.shard);
  }
  for (auto& worker : workers_) worker->thread = std::thread([&loop = worker->loop] { loop.run(); });
}

Service::~Service() { stop(std::chrono::milliseconds{0}); }

void Service::tell(const GrpcLane::Change& change) {
  const locks::Lock lock(telling_);
  auto& away = away_[change.lane];
  const char* what = to_string(change.lane);
  if (change.back && --away == 0) spdlog::info(fmt::format("storage takes {} again", what));
  if (change.back) return;
  const bool first = !change.known && away++ == 0;
  if (change.refused) {
    spdlog::error(fmt::format(
        "storage refuses {}: {}. Give this certificate's subject the role ingest; trying again until then, and"
        " devices keep what is not acknowledged",
        what, change.why));
  } else if (first) {
    spdlog::warn(fmt::format("storage does not take {} ({}); trying again until it does", what, change.why));
  }
}

void Service::renew(const IngestCredentials& credentials) {
  const std::shared_ptr<const coap::DtlsContext> context =
      checked(coap::DtlsContext::server(credentials.dtls, dtls_options_));
  for (auto& worker : workers_) {
    worker->loop.post([listener = worker->listener, context] { listener->renew(context); });
    worker->sink->renew(credentials.storage);
  }
}

bool Service::stop(std::chrono::milliseconds patience) {
  if (workers_.empty()) return true;  // stopped before
  const auto end = std::chrono::steady_clock::now() + patience;
  const auto left = [&] {
    const auto span = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    return std::max(span, std::chrono::milliseconds{0});
  };
  bool all = true;
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->run([&shard = *worker->shard] { shard.close_all(); }).wait_until(end);
  for (auto& worker : workers_) all = worker->sink && worker->sink->drain(left()) && all;
  {
    const locks::Lock lock(collecting_);
    final_ = collect(std::max(end, std::chrono::steady_clock::now() + kPatience));
    stopped_ = true;
  }
  for (auto& worker : workers_) {
    worker->loop.stop();
    if (worker->thread.joinable()) worker->thread.join();
  }
  for (auto& worker : workers_) worker->sink.reset();
  workers_.clear();
  return all;
}

ServiceStats Service::stats() const {
  const locks::Lock lock(collecting_);
  return stopped_ ? final_ : collect(std::chrono::steady_clock::now() + kPatience);
}

ServiceStats Service::collect(std::chrono::steady_clock::time_point until) const {
  ServiceStats sum;
  sum.shard_count = workers_.size();
  struct Asked {
    std::shared_ptr<ShardStats> fresh;
    std::future<void> told;
  };
  std::vector<Asked> asked;
  for (const auto& worker : workers_) {
    auto fresh = std::make_shared<ShardStats>();
    asked.push_back({fresh, worker->run([&one = *worker, fresh] {
                       *fresh = one.shard->stats();
                       fresh->kernel_drops = one.driver->kernel_drops();
                       fresh->muted_drops = one.driver->muted_drops();
                       fresh->send_drops = one.driver->send_drops();
                     })});
  }
  sum.lanes.readings.connected = sum.lanes.alarms.connected = true;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Worker& one = *workers_[i];
    if (asked[i].told.wait_until(until) == std::future_status::ready)
      one.last = *asked[i].fresh;
    else
      ++sum.silent_shards;
    add(sum.shards, one.last);
    if (!one.sink) continue;
    auto sink = one.sink->stats();
    for (const Lane lane : {Lane::readings, Lane::alarms}) {
      add(sum.lanes[lane], sink[lane]);
      sum.connected[lane] += sink[lane].connected ? 1 : 0;
    }
  }
  return sum;
}

}  // namespace wardlink::ingest

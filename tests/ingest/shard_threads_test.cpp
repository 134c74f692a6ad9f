// Two shards on threads of their own with real sockets, and a sink that answers from a third thread: what the thread
// sanitizer is to see. A device changes over from one shard to the other while it reports.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "coap/dtls_peers.hpp"
#include "coap/udp_driver.hpp"
#include "ingest/shard/owners.hpp"
#include "ingest/shard/shard.hpp"

namespace wardlink::ingest {
namespace {

/// Commits everything, from a thread of its own.
class CommittingSink final : public RecordSink {
 public:
  explicit CommittingSink(Deliver deliver) : deliver_(std::move(deliver)), thread_([this] { loop_.run(); }) {}
  ~CommittingSink() override {
    loop_.stop();
    thread_.join();
  }
  void attach(const Attachment&) override { ++attached; }
  void exchanged(SinkSession, const ClockExchange&) override {}
  void detach(SinkSession) override { ++detached; }
  void append(Record record) override {
    loop_.post([this, session = record.session, ticket = record.ticket, stream = record.fact.stream] {
      deliver_({RecordAnswered{session, ticket, stream, RecordResult::committed}});
    });
  }
  void audit(AuditEntry) override {}
  void flush() override {}
  std::optional<WallTime> calendar(coap::Instant) const override { return std::nullopt; }
  bool connected(Lane) const override { return true; }

  std::atomic<int> attached{0}, detached{0};

 private:
  Deliver deliver_;
  coap::EventLoop loop_;
  std::thread thread_;
};

struct Worker {
  Worker(Owners& owners, const std::shared_ptr<coap::DtlsContext>& context)
      : sink([this](auto events) { loop.post([this, events] { shard->handle_sink(events); }); }) {
    Shard::Environment environment{[] { return WallTime{std::chrono::seconds{1'764'000'000}}; }, coap::EventLoop::now,
                                   [this](std::function<void()> work) { loop.post(std::move(work)); },
                                   [this] { driver->wake(); }};
    shard = std::make_unique<Shard>(
        std::make_unique<coap::Listener>(context, coap::Bytes(32, 7), listener_config(), coap::secure_random()),
        Shard::Config{}, coap::secure_random(), sink, owners, environment);
    auto opened = coap::UdpDriver::open(loop, {.host = "127.0.0.1"}, *shard);
    if (!opened) throw std::runtime_error(opened.error());
    driver = std::move(*opened);
    thread = std::thread([this] { loop.run(); });
  }
  ~Worker() {
    loop.stop();
    thread.join();
  }
  ShardStats stats() {
    std::promise<ShardStats> promise;
    loop.post([&] { promise.set_value(shard->stats()); });
    return promise.get_future().get();
  }

  coap::EventLoop loop;
  std::unique_ptr<Shard> shard;
  CommittingSink sink;
  std::unique_ptr<coap::UdpDriver> driver;
  std::thread thread;
};

/// A device on the loop of the test's devices: registers, then raises one alarm, and is done when that is acknowledged.
class Device final : public coap::Endpoint {
 public:
  Device(coap::EventLoop& loop, const std::shared_ptr<coap::DtlsContext>& context, std::string urn, std::uint16_t port)
      : urn_(std::move(urn)),
        server_(*coap::resolve("127.0.0.1", port)),
        connection_(context->connect(coap::EventLoop::now()), {}, coap::secure_random(), coap::EventLoop::now()) {
    driver_ = std::move(*coap::UdpDriver::open(loop, {.host = "127.0.0.1"}, *this));
    loop.post([this] { driver_->wake(); });
  }
  void handle_datagram(const coap::Address&, coap::ByteView datagram, coap::Instant now) override {
    connection_.handle_datagram(datagram, now);
    while (const auto event = connection_.poll_event()) handle(*event, now);
  }
  void handle_timeout(coap::Instant now) override { connection_.handle_timeout(now); }
  std::optional<coap::Datagram> poll_datagram() override {
    auto bytes = connection_.poll_datagram();
    if (!bytes) return std::nullopt;
    return coap::Datagram{server_, std::move(*bytes)};
  }
  std::optional<coap::Instant> next_deadline() const override { return connection_.next_deadline(); }

  std::future<void> acknowledged() { return acknowledged_.get_future(); }
  std::future<void> closed() { return closed_.get_future(); }

 private:
  void handle(const coap::Event& event, coap::Instant now) {
    if (std::holds_alternative<coap::event::Opened>(event)) introduce(now);
    if (std::holds_alternative<coap::event::NotificationAcknowledged>(event)) acknowledged_.set_value();
    if (std::holds_alternative<coap::event::Closed>(event)) closed_.set_value();
    const auto* request = std::get_if<coap::event::RequestReceived>(&event);
    if (request == nullptr || request->observe != 0) return;
    coap::Response response;
    response.content_format = coap::content_format::senml_json;
    const std::string json =
        R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":0},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
        R"({"n":"prio","v":3},{"n":"code","vs":"hr-high"},{"n":"hr","v":140}])";
    response.payload.assign(json.begin(), json.end());
    connection_.respond_observed_separately(request->exchange, response, coap::Slot::alarm, now);
  }
  void introduce(coap::Instant now) {
    coap::Request time;
    time.path = "/time";
    time.queries = {"tk=0"};
    connection_.request(time, now);
    coap::Request registration;
    registration.method = coap::code::post;
    registration.path = "/rd";
    registration.queries = {"ep=" + urn_, "lt=3600", "boot=1"};
    registration.content_format = coap::content_format::link;
    const std::string links = "</alarms>;obs";
    registration.payload.assign(links.begin(), links.end());
    connection_.request(registration, now);
  }

  std::string urn_;
  coap::Address server_;
  coap::Connection connection_;
  std::unique_ptr<coap::UdpDriver> driver_;
  std::promise<void> acknowledged_, closed_;
};

TEST(ShardThreads, ADeviceChangesOverBetweenThreads) {
  constexpr auto patience = std::chrono::seconds{60};
  Owners owners;
  const auto context = coap::testing::server_context();
  Worker first(owners, context);
  Worker second(owners, context);
  const auto device_context = coap::testing::client_context();
  const std::string urn = coap::testing::CertificateSpec{}.san.substr(4);
  coap::EventLoop loop;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<std::future<void>> closed;
  // Sockets are made before the loop runs; a device's first flight goes out when its turn comes.
  std::thread thread;
  for (int turn = 0; turn < 4; ++turn) {
    const auto port = (turn % 2 == 0 ? first : second).driver->port();
    std::promise<Device*> made;
    const auto make = [&] {
      devices.push_back(std::make_unique<Device>(loop, device_context, urn, port));
      made.set_value(devices.back().get());
    };
    loop.post(make);
    if (turn == 0) thread = std::thread([&] { loop.run(); });
    Device& device = *made.get_future().get();
    closed.push_back(device.closed());
    EXPECT_EQ(device.acknowledged().wait_for(patience), std::future_status::ready);
  }
  // Each session but the last one was superseded by the next.
  for (std::size_t i = 0; i + 1 < closed.size(); ++i)
    EXPECT_EQ(closed[i].wait_for(patience), std::future_status::ready);
  EXPECT_EQ(first.stats().sessions + second.stats().sessions, 1u);
  EXPECT_EQ(first.sink.attached + second.sink.attached, 4);
  EXPECT_EQ(first.sink.detached + second.sink.detached, 3);
  loop.stop();
  thread.join();
}

}  // namespace
}  // namespace wardlink::ingest

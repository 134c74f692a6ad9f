// A scrape of the counters changes nothing: two wards live the same life, in one of them somebody looks at every step.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/memory_sessions.hpp"
#include "ingest/memory_sink.hpp"
#include "ingest/shard/shard.hpp"

namespace wardlink::ingest {
namespace {

using testing::MemorySessions;
using testing::MemorySink;

const std::string one_set = R"([{"n":"q","v":1},{"n":"tk","v":0},{"n":"hr","v":72}])";
const std::string one_alarm =
    R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":0},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
    R"({"n":"prio","v":3},{"n":"code","vs":"hr-high"},{"n":"hr","v":140}])";

coap::Response json(const std::string& text) {
  coap::Response response;
  response.content_format = coap::content_format::senml_json;
  response.payload.assign(text.begin(), text.end());
  return response;
}

/// A shard with one device, and all that it sends.
class Ward {
 public:
  explicit Ward(int scrapes) : scrapes_(scrapes) {
    auto sessions = std::make_unique<MemorySessions>();
    sessions_ = sessions.get();
    Shard::Environment environment{[] { return WallTime{std::chrono::seconds{1'764'000'000}}; },
                                   [this] { return now_; }, [](std::function<void()> work) { work(); }, [] {}};
    shard_ = std::make_unique<Shard>(std::move(sessions), Shard::Config{}, coap::testing::seeded(1), sink, owners_,
                                     environment);
  }

  void live() {
    ask_for_time_and_register();
    carry();
    for (int second = 0; second < 5; ++second) {
      now_ += std::chrono::seconds{1};
      device_.notify(observers_.at("/vitals"), json(one_set), coap::Reliability::non, coap::Slot::ordinary, now_);
      carry();
    }
    device_.notify(observers_.at("/alarms"), json(one_alarm), coap::Reliability::con, coap::Slot::alarm, now_);
    carry();
    sink.answer(RecordResult::committed);
    carry();
    now_ += std::chrono::minutes{3};  // long enough for observations to be refreshed
    shard_->handle_timeout(now_);
    carry();
  }

  std::vector<coap::Bytes> sent;
  MemorySink sink{[this](const auto& events) { shard_->handle_sink(events); }};
  std::size_t commands() const { return sessions_->commands; }
  ShardStats stats() const { return shard_->stats(); }

 private:
  void ask_for_time_and_register() {
    coap::Request time;
    time.path = "/time";
    time.queries = {"tk=0"};
    device_.request(time, now_);
    coap::Request registration;
    registration.method = coap::code::post;
    registration.path = "/rd";
    registration.queries = {"ep=" + testing::name_of_port(place_.port), "lt=3600", "boot=1"};
    registration.content_format = coap::content_format::link;
    const std::string links = "</vitals>;obs,</alarms>;obs";
    registration.payload.assign(links.begin(), links.end());
    device_.request(registration, now_);
  }
  void scrape() {
    for (int i = 0; i < scrapes_; ++i) static_cast<void>(shard_->stats());
  }
  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      while (const auto datagram = device_.poll_datagram()) {
        moved = true;
        scrape();
        shard_->handle_datagram(place_, *datagram, now_);
        scrape();
      }
      while (const auto datagram = shard_->poll_datagram()) {
        moved = true;
        sent.push_back(datagram->bytes);
        scrape();
        device_.handle_datagram(datagram->bytes, now_);
      }
      scrape();
      while (const auto event = device_.poll_event()) moved = true, hear(*event);
    }
  }
  void hear(const coap::Event& event) {
    const auto* request = std::get_if<coap::event::RequestReceived>(&event);
    if (request == nullptr || request->observe != 0) return;
    const auto nothing = json(request->path == "/alarms" ? R"([{"n":"owed","v":0}])" : "[]");
    observers_[request->path] = device_.respond_observed(request->exchange, nothing, now_);
  }

  const int scrapes_;
  coap::Instant now_{std::chrono::seconds{100}};
  const coap::Address place_{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, .port = 40'001};
  coap::Connection device_{
      std::make_unique<coap::testing::MemoryChannel>(coap::PeerIdentity{}), {}, coap::testing::seeded(2), now_};
  std::map<std::string, coap::ObserverId> observers_;
  Owners owners_;
  MemorySessions* sessions_ = nullptr;
  std::unique_ptr<Shard> shard_;
};

TEST(Scrape, ChangesNoByteAndCommandsNoSession) {
  Ward alone(0), watched(100);
  alone.live();
  watched.live();
  EXPECT_GE(alone.sent.size(), 7u) << "two answers, two observations, an ACK and two refreshes";
  EXPECT_EQ(alone.sent, watched.sent);
  EXPECT_EQ(alone.commands(), watched.commands());
  EXPECT_EQ(alone.sink.records.size(), 6u);
  EXPECT_EQ(watched.sink.records.size(), 6u);
  EXPECT_EQ(alone.sink.flushes, watched.sink.flushes);
  const auto one = alone.stats(), other = watched.stats();
  EXPECT_EQ(one.connections.messages_in, other.connections.messages_in);
  EXPECT_EQ(one.connections.bytes_in, other.connections.bytes_in);
  EXPECT_EQ(one.connections.bytes_out, other.connections.bytes_out);
  EXPECT_EQ(one.listener.datagrams_out, other.listener.datagrams_out);
  EXPECT_EQ(one.session.records, other.session.records);
  EXPECT_EQ(one.session.observations, other.session.observations);
}

}  // namespace
}  // namespace wardlink::ingest

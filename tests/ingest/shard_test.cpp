// Shards with real DTLS in virtual time: one owner a device, refused handshakes, and what the sink's answers set free.

#include "ingest/shard/shard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <numeric>

#include "coap/dtls_peers.hpp"
#include "coap/memory_channel.hpp"
#include "ingest/memory_sink.hpp"

namespace wardlink::ingest {
namespace {

using coap::testing::Authorities;
using coap::testing::CertificateSpec;
using std::chrono::seconds;
using ::testing::IsEmpty;
using testing::MemorySink;
using ::testing::SizeIs;

CertificateSpec named(const std::string& handle) {
  CertificateSpec spec;
  spec.san = "URI:urn:dev:os:32473-" + handle;
  return spec;
}

coap::Address address(std::uint16_t port) {
  return {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, .port = port};
}

/// A wearable made by hand: it registers and answers observations with nothing.
struct Device {
  Device(std::size_t its_shard, std::uint16_t port, const std::shared_ptr<coap::DtlsContext>& context,
         std::string its_urn, coap::Instant now)
      : shard(its_shard),
        place(address(port)),
        urn(std::move(its_urn)),
        connection(context->connect(now), {}, coap::testing::seeded(port), now) {}

  void handle(const coap::Event& event, coap::Instant now) {
    if (const auto* end = std::get_if<coap::event::Closed>(&event)) closed = end->reason;
    if (const auto* ack = std::get_if<coap::event::NotificationAcknowledged>(&event))
      acknowledged.push_back(ack->delivery);
    if (const auto* heard = std::get_if<coap::event::ResponseReceived>(&event)) answers.push_back(heard->code);
    if (std::holds_alternative<coap::event::Opened>(event)) introduce(now);
    const auto* request = std::get_if<coap::event::RequestReceived>(&event);
    if (request == nullptr || request->observe != 0) return;
    coap::Response nothing;
    nothing.content_format = coap::content_format::senml_json;
    const std::string json = request->path == "/alarms" ? R"([{"n":"owed","v":0}])" : "[]";
    nothing.payload.assign(json.begin(), json.end());
    observers[request->path] = connection.respond_observed(request->exchange, nothing, now);
  }
  void introduce(coap::Instant now) {
    coap::Request time;
    time.path = "/time";
    time.queries = {"tk=0"};
    connection.request(time, now);
    coap::Request registration;
    registration.method = coap::code::post;
    registration.path = "/rd";
    registration.queries = {"ep=" + urn, "lt=3600", "boot=1"};
    registration.content_format = coap::content_format::link;
    const std::string links = "</vitals>;obs,</alarms>;obs";
    registration.payload.assign(links.begin(), links.end());
    connection.request(registration, now);
  }
  coap::DeliveryId notify(const std::string& path, const std::string& json, coap::Instant now) {
    coap::Response response;
    response.content_format = coap::content_format::senml_json;
    response.payload.assign(json.begin(), json.end());
    const bool alarms = path == "/alarms";
    return connection.notify(observers.at(path), response, alarms ? coap::Reliability::con : coap::Reliability::non,
                             alarms ? coap::Slot::alarm : coap::Slot::ordinary, now);
  }

  std::size_t shard;
  coap::Address place;
  std::string urn;
  coap::Connection connection;
  std::map<std::string, coap::ObserverId> observers;
  std::vector<coap::DeliveryId> acknowledged;
  std::vector<coap::Code> answers;
  std::optional<coap::CloseReason> closed;
};

const std::string one_set = R"([{"n":"q","v":1},{"n":"tk","v":0},{"n":"hr","v":72}])";
const std::string one_alarm =
    R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":0},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
    R"({"n":"prio","v":3},{"n":"code","vs":"hr-high"},{"n":"hr","v":140}])";

/// Two shards, their threads being the test's: what is posted waits until it is let run.
class ShardTest : public ::testing::Test {
 protected:
  struct Thread {
    std::unique_ptr<MemorySink> sink;
    std::unique_ptr<Shard> shard;
    std::deque<std::function<void()>> posted;
  };

  ShardTest() {
    static const auto context = coap::testing::server_context();
    for (std::size_t i = 0; i < threads.size(); ++i) {
      Thread& thread = threads[i];
      thread.sink = std::make_unique<MemorySink>([&thread](auto events) { thread.shard->handle_sink(events); });
      Shard::Environment environment{
          [this] { return WallTime{seconds{1'764'000'000}} + (now - coap::testing::start); }, [this] { return now; },
          [&thread](std::function<void()> work) { thread.posted.push_back(std::move(work)); }, [] {}};
      auto config = listener_config();
      config.handshake_rate = 10'000'000;  // time stands still while all is carried
      thread.shard = std::make_unique<Shard>(
          std::make_unique<coap::Listener>(context, coap::Bytes(32, 7), config, coap::testing::seeded(i + 1)),
          Shard::Config{}, coap::testing::seeded(i + 1), *thread.sink, owners, environment);
    }
  }

  Device& connect(std::size_t shard, std::uint16_t port, const CertificateSpec& spec) {
    const auto context = coap::testing::client_context(spec);
    devices.push_back(std::make_unique<Device>(shard, port, context, spec.san.substr(4), now));
    carry();
    return *devices.back();
  }

  bool run_posted() {
    bool ran = false;
    for (Thread& thread : threads)
      while (!thread.posted.empty()) {
        const auto work = std::move(thread.posted.front());
        thread.posted.pop_front();
        work();
        ran = true;
      }
    return ran;
  }

  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& device : devices) {
        while (const auto datagram = device->connection.poll_datagram()) {
          moved = true;
          threads[device->shard].shard->handle_datagram(device->place, *datagram, now);
        }
        while (const auto event = device->connection.poll_event()) moved = true, device->handle(*event, now);
      }
      for (std::size_t i = 0; i < threads.size(); ++i) {
        Shard& shard = *threads[i].shard;
        if (const auto due = shard.next_deadline(); due && *due <= now) moved = true, shard.handle_timeout(now);
        while (const auto datagram = shard.poll_datagram()) {
          moved = true;
          for (auto& device : devices)
            if (device->shard == i && device->place == datagram->to)
              device->connection.handle_datagram(datagram->bytes, now);
        }
      }
      if (run_posts && run_posted()) moved = true;
    }
  }

  MemorySink& sink(std::size_t i) { return *threads[i].sink; }
  ShardStats stats(std::size_t i) { return threads[i].shard->stats(); }

  coap::Instant now = coap::testing::start;
  bool run_posts = true;
  Owners owners;
  std::array<Thread, 2> threads;
  std::vector<std::unique_ptr<Device>> devices;
};

TEST_F(ShardTest, AReadingCarriesTheIdentityOfItsSession) {  // I4, DTLS-13
  Device& a = connect(0, 40'001, named("aaaa"));
  Device& b = connect(0, 40'002, named("bbbb"));
  a.notify("/vitals", one_set, now);
  b.notify("/vitals", one_set, now);
  carry();
  ASSERT_THAT(sink(0).records, SizeIs(2));
  ASSERT_THAT(sink(0).attached, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(sink(0).records[i].session, sink(0).attached[i].session);
  EXPECT_EQ(sink(0).attached[0].device, "urn:dev:os:32473-aaaa");
  EXPECT_EQ(sink(0).attached[1].device, "urn:dev:os:32473-bbbb");
  EXPECT_EQ(stats(0).sessions, 2u);
  EXPECT_EQ(stats(0).listener.handshakes, 2u);
}

TEST_F(ShardTest, ANewerSessionOnTheSameShardTakesOver) {
  Device& older = connect(0, 40'001, named("aaaa"));
  Device& newer = connect(0, 40'002, named("aaaa"));
  EXPECT_EQ(older.closed, coap::CloseReason::peer_closed);
  EXPECT_THAT(newer.observers, SizeIs(2));
  EXPECT_EQ(stats(0).closed_sessions[static_cast<std::size_t>(coap::CloseReason::superseded)], 1u);
  EXPECT_THAT(sink(0).detached, SizeIs(1));
  newer.notify("/vitals", one_set, now);
  carry();
  EXPECT_THAT(sink(0).records, SizeIs(1));
}

TEST_F(ShardTest, OnAnotherShardTheOlderIsClosedBeforeTheNewerIsObserved) {
  Device& older = connect(0, 40'001, named("aaaa"));
  run_posts = false;
  Device& newer = connect(1, 40'002, named("aaaa"));
  EXPECT_THAT(sink(1).attached, SizeIs(1));  // registered already
  EXPECT_THAT(newer.observers, IsEmpty());
  EXPECT_FALSE(older.closed);
  run_posts = true;
  carry();
  EXPECT_EQ(older.closed, coap::CloseReason::peer_closed);
  EXPECT_THAT(newer.observers, SizeIs(2));
  EXPECT_EQ(stats(0).sessions, 0u);
  EXPECT_EQ(stats(1).sessions, 1u);
}

TEST_F(ShardTest, ASessionThatEndedBeforeItWasSupersededHoldsNothingUp) {
  Device& older = connect(0, 40'001, named("aaaa"));
  run_posts = false;
  Device& newer = connect(1, 40'002, named("aaaa"));
  older.connection.close(coap::CloseReason::local, now);
  carry();
  run_posts = true;
  carry();
  EXPECT_THAT(newer.observers, SizeIs(2));
}

TEST_F(ShardTest, ARefusedHandshakeIsCountedAuditedAndDisturbsNobody) {  // DTLS-08, DTLS-14, I9
  Device& good = connect(0, 40'001, named("aaaa"));
  auto wrong = named("bbbb");
  wrong.extended_key_usage = "serverAuth";
  connect(0, 40'002, wrong);
  connect(0, 40'003, wrong);
  const auto refused = stats(0).refused_handshakes;
  EXPECT_EQ(std::accumulate(refused.begin(), refused.end(), std::uint64_t{0}), 2u);
  const auto reason = std::find(refused.begin(), refused.end(), 2u) - refused.begin();
  const std::string word = to_string(static_cast<coap::CloseReason>(reason));
  EXPECT_EQ(sink(0).audited("handshake", false, word), 1u);  // the second within a minute is told at its end
  now += seconds{61};
  threads[0].shard->handle_timeout(now);
  EXPECT_EQ(sink(0).audited("handshake", false, word), 2u);
  EXPECT_EQ(sink(0).audited("handshake", true, ""), 1u);
  good.notify("/vitals", one_set, now);
  carry();
  EXPECT_THAT(sink(0).records, SizeIs(1));
}

TEST_F(ShardTest, ACommitSetsTheAckFree) {  // I1
  Device& device = connect(0, 40'001, named("aaaa"));
  const auto before = device.acknowledged.size();
  const auto delivery = device.notify("/alarms", one_alarm, now);
  carry();
  EXPECT_THAT(device.acknowledged, SizeIs(before));
  sink(0).answer(RecordResult::committed);
  carry();
  EXPECT_THAT(device.acknowledged, ::testing::Contains(delivery));
  EXPECT_EQ(stats(0).session.records[1][0], 1u);  // alarms, committed
}

TEST_F(ShardTest, ATurnIsHandedOverOnceHoweverMuchItBrought) {  // the alarm in it in the same turn
  Device& device = connect(0, 40'001, named("aaaa"));
  for (int i = 0; i < 15; ++i) device.notify("/vitals", one_set, now);
  device.notify("/alarms", one_alarm, now);
  const auto before = sink(0).flushes;
  std::size_t datagrams = 0;
  for (; const auto datagram = device.connection.poll_datagram(); ++datagrams)
    threads[0].shard->handle_datagram(device.place, *datagram, now);
  EXPECT_EQ(datagrams, 16u);
  EXPECT_THAT(sink(0).records, SizeIs(16));
  EXPECT_EQ(sink(0).flushes, before);
  while (threads[0].shard->poll_datagram()) {
  }
  EXPECT_EQ(sink(0).flushes, before + 1);
}

TEST_F(ShardTest, ACommitSetsTheAnswerToAPostFree) {  // MSG-09
  Device& device = connect(0, 40'001, named("aaaa"));
  coap::Request post;
  post.method = coap::code::post;
  post.path = "/vitals";
  post.content_format = coap::content_format::senml_json;
  const std::string json = R"([{"n":"hr","v":72}])";
  post.payload.assign(json.begin(), json.end());
  device.connection.request(post, now);
  carry();
  EXPECT_THAT(device.answers, SizeIs(2));  // the time and the registration
  sink(0).answer(RecordResult::committed);
  carry();
  ASSERT_THAT(device.answers, SizeIs(3));
  EXPECT_EQ(device.answers.back(), coap::code::changed);
  EXPECT_EQ(stats(0).session.records[index_of(Stream::manual)][0], 1u);
}

TEST_F(ShardTest, AnAnswerForAPastSessionIsCountedAndHarmsNobody) {
  Device& device = connect(0, 40'001, named("aaaa"));
  device.notify("/alarms", one_alarm, now);
  device.notify("/vitals", one_set, now);
  carry();
  device.connection.close(coap::CloseReason::local, now);
  carry();
  EXPECT_EQ(stats(0).sessions, 0u);
  EXPECT_EQ(stats(0).session.held_acks, 0u);
  sink(0).answer(RecordResult::committed);
  EXPECT_EQ(stats(0).session.records[0][0], 1u);
  EXPECT_EQ(stats(0).session.records[1][0], 1u);
}

TEST_F(ShardTest, CountersOfPastSessionsStay) {
  Device& device = connect(0, 40'001, named("aaaa"));
  device.notify("/vitals", one_set, now);
  carry();
  const auto before = stats(0).connections;
  EXPECT_GE(before.non_in, 1u);
  device.connection.close(coap::CloseReason::local, now);
  carry();
  EXPECT_EQ(stats(0).connections.non_in, before.non_in);
  EXPECT_EQ(stats(0).connections.con_in, before.con_in);
}

TEST_F(ShardTest, SoDoThoseOfWhatASessionSentLast) {
  Device& device = connect(0, 40'001, named("aaaa"));
  for (int i = 1; i <= 500; ++i) device.notify("/vitals", one_set, now);
  device.connection.close(coap::CloseReason::local, now);
  carry();
  EXPECT_EQ(stats(0).sessions, 0u);
  EXPECT_EQ(stats(0).connections.notifications_over, 308u);
}

TEST_F(ShardTest, AtTheEndEverySessionIsClosedAndDetached) {
  Device& a = connect(0, 40'001, named("aaaa"));
  Device& b = connect(0, 40'002, named("bbbb"));
  threads[0].shard->close_all();
  carry();
  EXPECT_EQ(a.closed, coap::CloseReason::peer_closed);
  EXPECT_EQ(b.closed, coap::CloseReason::peer_closed);
  EXPECT_THAT(sink(0).detached, SizeIs(2));
  EXPECT_EQ(stats(0).sessions, 0u);
}

TEST_F(ShardTest, TimersOfASessionRunWithoutAnyTraffic) {
  Device& device = connect(0, 40'001, named("aaaa"));
  const auto heard = stats(0).session.observations;
  ASSERT_TRUE(threads[0].shard->next_deadline());
  const auto end = now + seconds{76};
  while (now < end) {
    now = std::max(now + std::chrono::milliseconds{1}, std::min(end, *threads[0].shard->next_deadline()));
    threads[0].shard->handle_timeout(now);
    device.connection.handle_timeout(now);
    carry();
  }
  EXPECT_EQ(stats(0).session.observations, heard + 2);  // both were silent for longer than Max-Age
}

// -- what one session may send ----------------------------------------------------------------------------------------

std::string set_of(int sequence) {
  return R"([{"n":"q","v":)" + std::to_string(sequence) + R"(},{"n":"tk","v":0},{"n":"hr","v":72}])";
}

TEST_F(ShardTest, NotificationsBeyondTheAllowanceAreDroppedUnreadAndAlarmsHaveAPartOfIt) {  // FAIR-1
  Device& greedy = connect(0, 40'001, named("aaaa"));
  Device& other = connect(0, 40'002, named("bbbb"));
  for (int i = 1; i <= 600; ++i) greedy.notify("/vitals", set_of(i), now);
  carry();
  const auto taken = sink(0).records.size();
  EXPECT_EQ(taken, 192u) << "three quarters of 256";
  EXPECT_EQ(stats(0).connections.notifications_over, 600u - taken);

  const auto alarm = greedy.notify("/alarms", one_alarm, now);
  other.notify("/vitals", one_set, now);
  carry();
  sink(0).answer(RecordResult::committed);
  carry();
  EXPECT_THAT(greedy.acknowledged, ::testing::Contains(alarm));
  EXPECT_THAT(sink(0).records, SizeIs(taken + 2));

  EXPECT_EQ(sink(0).audited("notify", false, "over_rate"), 408u);

  now += seconds{5};
  for (int i = 601; i <= 800; ++i) greedy.notify("/vitals", set_of(i), now);
  carry();
  EXPECT_THAT(sink(0).records, SizeIs(taken + 2 + 99)) << "20 a second, and the alarm was one";
}

TEST_F(ShardTest, AnAlarmBeyondTheAllowanceIsTakenWhenItComesAgain) {  // FAIR-1, I5
  Device& device = connect(0, 40'001, named("aaaa"));
  for (int i = 1; i <= 300; ++i)
    device.connection.notify(device.observers.at("/alarms"), {coap::code::content, {}, {}, {}}, coap::Reliability::non,
                             coap::Slot::alarm, now);
  carry();
  sink(0).answer(RecordResult::quarantined);
  const auto alarm = device.notify("/alarms", one_alarm, now);
  carry();
  EXPECT_EQ(sink(0).unanswered(), 0u);
  now += seconds{3};
  device.connection.handle_timeout(now);
  carry();
  EXPECT_EQ(sink(0).unanswered(), 1u);
  sink(0).answer(RecordResult::committed);
  carry();
  EXPECT_THAT(device.acknowledged, ::testing::Contains(alarm));
}

TEST_F(ShardTest, RequestsBeyondTheAllowanceAreNotAnsweredUntilTheyComeAgain) {  // FAIR-1
  Device& device = connect(0, 40'001, named("aaaa"));
  const auto before = device.answers.size();
  for (int i = 0; i < 100; ++i) {
    coap::Request time;
    time.path = "/time";
    time.queries = {"tk=0"};
    device.connection.request(time, now);
  }
  carry();
  EXPECT_EQ(device.answers.size() - before, 62u) << "64 at once, two of them to register";
  EXPECT_EQ(stats(0).connections.requests_over, 1u);
  now += seconds{3};
  device.connection.handle_timeout(now);
  carry();
  EXPECT_EQ(device.answers.size() - before, 100u);
}

TEST_F(ShardTest, DatagramsBeyondTheAllowanceAreNotDecrypted) {  // FAIR-1
  Device& greedy = connect(0, 40'001, named("aaaa"));
  const auto before = stats(0).connections.messages_in;
  for (int i = 1; i <= 1500; ++i) greedy.notify("/vitals", set_of(i), now);
  carry();
  const auto decrypted = stats(0).connections.messages_in - before;
  EXPECT_GT(decrypted, 900u);
  EXPECT_LE(decrypted, 1000u);
  EXPECT_EQ(stats(0).listener.over_rate, 1500u - decrypted);
  EXPECT_EQ(stats(0).listener.unauthenticated, 0u);
}

// FAIR-1: whom even reading costs the others time is muted for a second at a time, as long as it goes on.
TEST_F(ShardTest, WhoSendsFarBeyondItsAllowanceIsMutedASecondAtATime) {
  Device& greedy = connect(0, 40'001, named("aaaa"));
  Device& other = connect(0, 40'002, named("bbbb"));
  auto& shard = *threads[0].shard;
  std::uint64_t sequence = 0;
  const auto flood = [&](int count) {
    for (int i = 0; i < count; ++i) greedy.notify("/vitals", set_of(static_cast<int>(++sequence)), now);
    other.notify("/vitals", one_set, now);
    carry();
  };
  flood(2900);
  EXPECT_FALSE(shard.poll_muted()) << "some is no flood";
  now += seconds{2};
  for (int times = 0; times < 3; ++times) {
    flood(4000);
    EXPECT_EQ(shard.poll_muted(), std::vector{greedy.place});
    EXPECT_FALSE(shard.poll_muted()) << "told once";
    flood(4000);  // what was in the socket before
    EXPECT_FALSE(shard.poll_muted());
    shard.handle_timeout(now + std::chrono::milliseconds{999});
    EXPECT_FALSE(shard.poll_muted());
    now += seconds{1};
    ASSERT_LE(*shard.next_deadline(), now);
    shard.handle_timeout(now);
    EXPECT_EQ(shard.poll_muted(), std::vector<coap::Address>{});
  }
}

TEST_F(ShardTest, WhatIsForgedCostsTheDeviceNothingOfItsAllowance) {  // FAIR-1, DTLS-12
  Device& device = connect(0, 40'001, named("aaaa"));
  coap::Bytes forged{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 40};  // a sealed record (RFC 6347 §4.1) of nobody
  forged.resize(13 + 40, 0x5a);
  for (int i = 0; i < 5000; ++i) threads[0].shard->handle_datagram(device.place, forged, now);
  device.notify("/vitals", one_set, now);
  carry();
  EXPECT_THAT(sink(0).records, SizeIs(1));
  EXPECT_EQ(stats(0).listener.over_rate, 0u);
  EXPECT_EQ(stats(0).listener.unauthenticated, 5000u);
  EXPECT_FALSE(threads[0].shard->poll_muted());
}

TEST_F(ShardTest, WhoOpensSessionAfterSessionIsObservedFiveTimesAndThenOnceInFiveSeconds) {  // FAIR-1
  for (std::uint16_t i = 0; i < 8; ++i) {
    Device& device = connect(i % 2, static_cast<std::uint16_t>(40'001 + i), named("aaaa"));
    EXPECT_THAT(device.observers, SizeIs(i < 5 ? 2 : 0)) << i;
    if (i == 3) device.connection.close(coap::CloseReason::local, now);  // who closes first gains nothing
  }
  EXPECT_THAT(connect(0, 41'000, named("bbbb")).observers, SizeIs(2)) << "others do not wait";
  now += seconds{5};
  carry();
  EXPECT_THAT(devices[7]->observers, SizeIs(2));
  now += seconds{25};
  for (std::uint16_t i = 10; i < 15; ++i)
    EXPECT_THAT(connect(0, static_cast<std::uint16_t>(40'001 + i), named("aaaa")).observers, SizeIs(2));
}

}  // namespace
}  // namespace wardlink::ingest

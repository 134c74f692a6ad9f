// What a client that hosts nothing posts, and what it hears: one session in virtual time over a sink in memory.
// MSG-06, MSG-07, MSG-09, DTLS-13

#include "ingest/session/posts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "coap/link_format.hpp"
#include "ingest/conversation.hpp"

namespace wardlink::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Conversation;
using testing::FaultySink;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::morning;
using ::testing::SizeIs;
namespace code = coap::code;

constexpr const char* kAlarm =
    R"([{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":2},{"n":"code","vs":"lead-off"}])";

std::string text(const coap::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

coap::Request post(const std::string& path, const std::string& json) {
  coap::Request request;
  request.method = code::post;
  request.path = path;
  request.content_format = coap::content_format::senml_json;
  request.payload.assign(json.begin(), json.end());
  return request;
}

/// A client that posts and hears.
template <class Sink = testing::MemorySink>
class Talk : public Conversation<Sink> {
 public:
  coap::RequestId send(const std::string& path, const std::string& json) {
    const auto id = this->device.request(post(path, json), this->now);
    this->settle();
    return id;
  }
  /// What was answered, if it was.
  std::optional<coap::event::ResponseReceived> answer(coap::RequestId id) const {
    for (const auto& event : this->device_events)
      if (const auto* response = std::get_if<coap::event::ResponseReceived>(&event);
          response != nullptr && response->request == id)
        return *response;
    return std::nullopt;
  }
  /// Commits what it brings.
  coap::event::ResponseReceived stored(const std::string& path, const std::string& json) {
    const auto id = send(path, json);
    this->sink.answer(RecordResult::committed);
    this->settle();
    return answer(id).value_or(coap::event::ResponseReceived{});
  }
  std::string words(const std::string& path, const std::string& json) {
    const auto heard = this->ask(post(path, json));
    EXPECT_EQ(heard.code, code::bad_request) << json;
    return text(heard.payload);
  }
  std::uint64_t ended(Resource resource, PostEnd end) const {
    return this->stats.posts[static_cast<std::size_t>(resource)][static_cast<std::size_t>(end)];
  }
  WallTime wall() const { return this->shared.calendar(); }
};

const SignValues& set_of(const Record& record) { return std::get<SignValues>(record.fact.body); }

std::uint64_t ms(WallTime at) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
}

// -- what is taken ----------------------------------------------------------------------------------------------------

TEST(Posts, AReadingByHandGetsItsKeyHere) {
  Talk talk;
  EXPECT_EQ(talk.stored("/vitals", R"([{"n":"heart-rate","v":72}])").code, code::changed);
  ASSERT_THAT(talk.sink.attached, SizeIs(1));
  const auto& attached = talk.sink.attached[0];
  EXPECT_EQ(attached.session, by_hand(SinkSession{7}));
  EXPECT_EQ(attached.device, testing::urn);
  EXPECT_EQ(attached.boot, 901u);
  EXPECT_EQ(attached.exchange, std::nullopt);
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  const auto& record = talk.sink.records[0];
  EXPECT_EQ(record.session, attached.session);
  EXPECT_EQ(record.received_at, talk.now);
  EXPECT_EQ(record.fact, (Fact{Stream::manual, 1, ms(talk.wall()), SignValues{{{1, 72, false}}}}));
  EXPECT_EQ(talk.ended(Resource::vitals, PostEnd::stored), 1u);
}

TEST(Posts, OneBootASessionAndCountingKeys) {
  Talk talk;
  talk.stored("/vitals", R"([{"n":"hr","v":72}])");
  talk.stored("/alarms", kAlarm);
  talk.stored("/vitals", R"([{"n":"hr","v":73}])");
  EXPECT_THAT(talk.sink.attached, SizeIs(1));
  ASSERT_THAT(talk.sink.records, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(talk.sink.records[i].fact.stream, Stream::manual);
    EXPECT_EQ(talk.sink.records[i].fact.sequence, i + 1);
    EXPECT_EQ(is_alarm(talk.sink.records[i].fact), i == 1);
  }
  talk.device.close(coap::CloseReason::local, talk.now);
  talk.settle();
  EXPECT_THAT(talk.sink.detached, ::testing::ElementsAre(by_hand(SinkSession{7})));
}

TEST(Posts, CborMeansTheSame) {
  Talk talk;
  auto request = post("/vitals", "");
  request.content_format = coap::content_format::senml_cbor;
  request.payload = coap::senml::encode_cbor(*coap::senml::decode_json(R"([{"n":"temp","u":"Cel","v":37.6}])"));
  const auto id = talk.device.request(request, talk.now);
  talk.settle();
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  ASSERT_TRUE(talk.answer(id));
  EXPECT_EQ(talk.answer(id)->code, code::changed);
  EXPECT_EQ(set_of(talk.sink.records.at(0)), (SignValues{{{4, 37.6, false}}}));
}

TEST(Posts, RelativeTimesAreResolvedOnceAtReceiptAndEachInstantIsASet) {
  Talk talk;
  const auto received = talk.wall();
  const std::string base = R"([{"bn":")" + testing::urn + R"(:","n":"hr","t":-60,"v":70},)";
  talk.stored("/vitals", base + R"({"n":"spo2","t":-60,"v":97},{"n":"hr","v":72},{"n":"hr","t":1763999000.5,"v":65}])");
  ASSERT_THAT(talk.sink.records, SizeIs(3));
  EXPECT_EQ(talk.sink.records[0].fact.tick_ms, 1'763'999'000'500u);
  EXPECT_EQ(talk.sink.records[1].fact.tick_ms, ms(received - seconds{60}));
  EXPECT_THAT(set_of(talk.sink.records[1]).values, SizeIs(2));
  EXPECT_EQ(talk.sink.records[2].fact.tick_ms, ms(received));
}

TEST(Posts, ARegisteredDeviceMayBringItsOwnKeys) {
  Talk talk;
  talk.introduce();
  EXPECT_EQ(talk.stored("/vitals", R"([{"n":"q","v":5},{"n":"tk","v":900},{"n":"hr","v":72}])").code, code::changed);
  EXPECT_EQ(talk.stored("/alarms", talk.alarm_json(3)).code, code::changed);
  ASSERT_THAT(talk.sink.attached, SizeIs(1));  // under the boot that it registered
  ASSERT_THAT(talk.sink.records, SizeIs(2));
  EXPECT_EQ(talk.sink.records[0].session, SinkSession{7});
  EXPECT_EQ(talk.sink.records[0].fact, (Fact{Stream::vitals, 5, 900, SignValues{{{1, 72, false}}}}));
  EXPECT_EQ(talk.sink.records[1].fact.stream, Stream::alarms);
  EXPECT_EQ(talk.sink.records[1].fact.sequence, 3u);
}

// -- when it is answered ----------------------------------------------------------------------------------------------

TEST(Posts, AnAlarmIsAnsweredOnceItIsCommittedAndNotBefore) {  // MSG-09
  Talk talk;
  const auto id = talk.send("/alarms", kAlarm);
  talk.advance(milliseconds{900});
  EXPECT_EQ(talk.ingest.counters().messages_out, 0u);
  talk.advance(seconds{2});  // RFC 7252 §5.2.2: the empty ACK
  EXPECT_EQ(talk.ingest.counters().messages_out, 1u);
  EXPECT_FALSE(talk.answer(id));
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  ASSERT_TRUE(talk.answer(id));
  EXPECT_EQ(talk.answer(id)->code, code::changed);
  EXPECT_EQ(talk.ingest.counters().con_out, 1u);  // a separate response
}

TEST(Posts, SeveralRecordsAreAnsweredWhenTheLastIsCommitted) {
  Talk talk;
  const auto id = talk.send("/vitals", R"([{"n":"hr","v":72},{"n":"hr","t":-1,"v":71}])");
  talk.sink.answer_one(RecordResult::committed);
  talk.settle();
  EXPECT_FALSE(talk.answer(id));
  talk.sink.answer_one(RecordResult::duplicate);
  talk.settle();
  ASSERT_TRUE(talk.answer(id));
  EXPECT_EQ(talk.answer(id)->code, code::changed);
}

TEST(Posts, ADuplicateIsOneRowAndHearsTheSame) {
  Talk talk;
  coap::Message message;
  message.type = coap::Type::con;
  message.code = code::post;
  message.id = 77;
  coap::add_uri(message.options, "/vitals", {});
  message.options.add_uint(coap::OptionNumber::content_format, coap::content_format::senml_json);
  const std::string json = R"([{"n":"hr","v":72}])";
  message.payload.assign(json.begin(), json.end());
  const auto say = [&] {
    talk.ingest.handle_datagram(coap::encode(message), talk.now);
    while (const auto event = talk.ingest.poll_event()) talk.session.handle(*event, &talk.ingest, talk.now);
    std::vector<coap::Bytes> heard;
    while (const auto datagram = talk.ingest.poll_datagram()) heard.push_back(*datagram);
    return heard;
  };
  EXPECT_THAT(say(), IsEmpty());
  EXPECT_THAT(say(), IsEmpty());  // while it is worked on
  talk.sink.answer(RecordResult::committed);
  const auto first = talk.ingest.poll_datagram();
  ASSERT_TRUE(first);
  EXPECT_EQ(coap::decode(*first)->code, code::changed);
  EXPECT_THAT(say(), ::testing::ElementsAre(*first));
  EXPECT_THAT(talk.sink.records, SizeIs(1));
}

TEST(Posts, StorageThatIsAwayIsSaidAtOnce) {  // MSG-07
  Talk talk;
  talk.sink.away = true;
  for (const char* path : {"/vitals", "/alarms"}) {
    const auto heard = talk.ask(post(path, path == std::string("/vitals") ? R"([{"n":"hr","v":72}])" : kAlarm));
    EXPECT_EQ(heard.code, code::service_unavailable);
    EXPECT_EQ(heard.options.uint(coap::OptionNumber::max_age), 10u);
    EXPECT_THAT(text(heard.payload), HasSubstr("nothing was taken"));
  }
  EXPECT_THAT(talk.sink.records, IsEmpty());
  EXPECT_EQ(talk.ended(Resource::alarms, PostEnd::away), 1u);
  talk.sink.away = false;
  EXPECT_EQ(talk.stored("/alarms", kAlarm).code, code::changed);
}

TEST(Posts, StorageThatDoesNotAnswerIsSaidInTheEnd) {  // MSG-07
  Talk talk;
  const auto id = talk.send("/alarms", kAlarm);
  talk.advance(milliseconds{9'900});
  EXPECT_FALSE(talk.answer(id));
  talk.advance(milliseconds{200});
  ASSERT_TRUE(talk.answer(id));
  EXPECT_EQ(talk.answer(id)->code, code::service_unavailable);
  EXPECT_EQ(talk.answer(id)->options.uint(coap::OptionNumber::max_age), 10u);
  EXPECT_THAT(text(talk.answer(id)->payload), HasSubstr("may still"));
  talk.sink.answer(RecordResult::committed);  // too late to be told
  talk.settle();
  EXPECT_EQ(talk.ended(Resource::alarms, PostEnd::stored), 0u);
}

TEST(Posts, ReadingsThatAreShedHear429AndAlarmsNever) {  // MSG-06
  Talk<FaultySink> talk;
  const auto shed = talk.ask(post("/vitals", R"([{"n":"hr","v":72}])"));
  EXPECT_EQ(shed.code, code::too_many_requests);
  EXPECT_EQ(shed.options.uint(coap::OptionNumber::max_age), 10u);
  EXPECT_EQ(talk.ended(Resource::vitals, PostEnd::shed), 1u);
  const auto refused = talk.ask(post("/alarms", kAlarm));
  EXPECT_EQ(refused.code, code::service_unavailable);
  EXPECT_EQ(refused.options.uint(coap::OptionNumber::max_age), 10u);
}

TEST(Posts, ReadingsThatWaitLeaveRoomForAlarms) {  // MSG-06
  Talk talk;
  const auto say = [&](std::uint16_t id, const char* path, const std::string& json) {
    coap::Message message;
    message.type = coap::Type::non;
    message.code = code::post;
    message.id = id;
    coap::add_uri(message.options, path, {});
    message.options.add_uint(coap::OptionNumber::content_format, coap::content_format::senml_json);
    message.payload.assign(json.begin(), json.end());
    talk.ingest.handle_datagram(coap::encode(message), talk.now);
    while (const auto event = talk.ingest.poll_event()) talk.session.handle(*event, &talk.ingest, talk.now);
    const auto datagram = talk.ingest.poll_datagram();
    return datagram ? std::optional{coap::decode(*datagram)->code} : std::nullopt;
  };
  for (std::uint16_t i = 0; i < 16; ++i) EXPECT_EQ(say(i, "/vitals", R"([{"n":"hr","v":72}])"), std::nullopt);
  EXPECT_EQ(say(16, "/vitals", R"([{"n":"hr","v":72}])"), code::too_many_requests);
  EXPECT_EQ(say(17, "/alarms", kAlarm), std::nullopt);
  EXPECT_THAT(talk.sink.records, SizeIs(17));
  EXPECT_TRUE(is_alarm(talk.sink.records.back().fact));
}

TEST(Posts, AnotherRecordUnderTheSameKeyIsAConflict) {
  Talk talk;
  talk.introduce();
  const auto id = talk.send("/vitals", R"([{"n":"q","v":5},{"n":"tk","v":900},{"n":"hr","v":72}])");
  talk.sink.answer(RecordResult::quarantined);
  talk.settle();
  ASSERT_TRUE(talk.answer(id));
  EXPECT_EQ(talk.answer(id)->code, code::conflict);
}

TEST(Posts, AResultThatComesAfterTheSessionHurtsNobody) {
  Talk talk;
  talk.send("/alarms", kAlarm);
  talk.device.close(coap::CloseReason::local, talk.now);
  talk.settle();
  talk.sink.answer(RecordResult::committed);
  EXPECT_EQ(talk.session.next_deadline(), std::nullopt);
}

// -- what is refused --------------------------------------------------------------------------------------------------

TEST(Posts, AnotherDevicesNameIsForbiddenAndAudited) {  // DTLS-13
  Talk talk;
  const std::string other = "urn:dev:os:32473-0000000000000000";
  for (const auto& json :
       {R"([{"n":"hr","v":72,"bn":")" + other + R"(:"}])", R"([{"n":")" + other + R"(:hr","v":72}])"}) {
    const auto heard = talk.ask(post("/vitals", json));
    EXPECT_EQ(heard.code, code::forbidden);
    EXPECT_THAT(text(heard.payload), HasSubstr("record 1, "));
  }
  EXPECT_THAT(talk.sink.records, IsEmpty());
  talk.advance(seconds{61});
  EXPECT_EQ(talk.sink.audited("post", false, "foreign_name"), 2u);
}

TEST(Posts, SaysWhichRecordAndWhichField) {
  struct Case {
    const char* path;
    std::string json;
    const char* words;
  };
  const std::string ended = R"({"n":"kind","vs":"tech"},{"n":"prio","v":2},{"n":"code","vs":"lead-off"}])";
  for (const auto& [path, json, words] : {
           Case{"/vitals", "garbage", "the payload is not JSON"},
           Case{"/vitals", "", "the payload is not JSON"},
           Case{"/vitals", "{}", "not SenML"},
           Case{"/vitals", "[]", "there is nothing in it"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"n":"rr","v":"16"}])",
                "record 2: a label has a value of another type"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"n":"rr"}])", "record 2: there is no value"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"v":1}])", "record 2: the name"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"n":"mood","v":1}])", "record 2, n: is not a sign of the catalogue"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"n":"temp","v":99,"u":"K"}])", "record 2, u: is not the SenML unit"},
           Case{"/vitals", R"([{"n":"hr","vs":"fast"}])", "record 1, v: must be there, and a number"},
           Case{"/vitals", R"([{"n":"hr","v":72},{"n":"heart-rate","v":72}])", "record 2, n: stands twice"},
           Case{"/vitals", kAlarm, "it belongs to /alarms"},
           Case{"/vitals", R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72}])", "need a registration first"},
           Case{"/alarms", R"([{"n":"hr","v":72}])", "record 1, n: must be ev"},
           Case{"/alarms", R"([{"n":"ev","vs":"loud"},)" + ended, "record 1, vs: must be raised or ended"},
           Case{"/alarms", R"([{"n":"ev","vs":"raised"},{"n":"prio","v":4}])", "record 2, v: must be 1, 2 or 3"},
           Case{"/alarms", R"([{"n":"ev","vs":"raised"}])", "needs ev, kind, prio and code"},
           Case{"/alarms", R"([{"n":"ev","vs":"ended"},{"n":"on","v":1},)" + ended, "record 1: on names a q"},
       }) {
    Talk talk;
    EXPECT_THAT(talk.words(path, json), HasSubstr(words)) << json;
    EXPECT_THAT(talk.sink.records, IsEmpty());
    EXPECT_THAT(talk.sink.attached, IsEmpty());
  }
}

// TIME-1: no time is refused: storage dates what lies ahead at its reception, and flags it.
TEST(Posts, TakesAnyTime) {
  Talk talk;
  talk.stored("/vitals", R"([{"n":"hr","v":72,"t":3600},{"n":"rr","v":9,"t":-2e9},{"n":"spo2","v":97,"t":1e300}])");
  ASSERT_THAT(talk.sink.records, SizeIs(3));
  EXPECT_EQ(talk.sink.records[0].fact.tick_ms, 0u);
  EXPECT_EQ(talk.sink.records[1].fact.tick_ms, ms(talk.wall() + seconds{3600}));
  EXPECT_EQ(talk.sink.records[2].fact.tick_ms, (1ULL << 53) - 1);
}

// TIME-2
TEST(Posts, TakesAnyTickOfARegisteredDevice) {
  Talk talk;
  talk.introduce();
  talk.stored("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":9007199254740991},{"n":"hr","v":72}])");
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(talk.sink.records[0].fact.tick_ms, (1ULL << 53) - 1);
}

TEST(Posts, SaysWhichRecordOfThoseWithKeys) {
  Talk talk;
  talk.introduce();
  const std::string good = R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72},{"n":"q","v":2},)";
  EXPECT_THAT(talk.words("/vitals", good + R"({"n":"hr","v":1}])"), HasSubstr("record 4, n: must be followed by tk"));
  EXPECT_THAT(talk.words("/vitals", good + R"({"n":"tk","v":1}])"),
              HasSubstr("record 5, n: must be followed by a sign"));
  EXPECT_THAT(talk.words("/vitals", good + R"({"n":"tk","v":1},{"n":"mood","v":1}])"), HasSubstr("record 6, n:"));
  EXPECT_THAT(talk.words("/vitals", R"([{"n":"hr","v":72},{"n":"q","v":1}])"), HasSubstr("record 1, n: must be q"));
  EXPECT_THAT(talk.sink.records, IsEmpty());
}

// Nothing of what was measured comes back in words: they may end in somebody's log.
TEST(Posts, TheWordsRepeatNothing) {
  Talk talk;
  const auto words = talk.words("/vitals", R"([{"n":"secretive","v":4711},{"n":"hr","v":4711,"u":"K"}])");
  EXPECT_THAT(words, ::testing::Not(HasSubstr("4711")));
  EXPECT_THAT(words, ::testing::Not(HasSubstr("secretive")));
}

TEST(Posts, OtherMethodsFormatsAndSizesAreRefused) {
  Talk talk;
  coap::Request request = post("/vitals", R"([{"n":"hr","v":72}])");
  request.method = code::get;
  EXPECT_EQ(talk.ask(request).code, code::method_not_allowed);
  request.method = code::post;
  request.content_format = coap::content_format::text;
  EXPECT_EQ(talk.ask(request).code, code::unsupported_content_format);
  request.content_format.reset();
  EXPECT_EQ(talk.ask(request).code, code::unsupported_content_format);
  request.path = "/vitals/hr";
  EXPECT_EQ(talk.ask(request).code, code::not_found);
  const auto large = talk.ask(post("/vitals", std::string(1025, ' ')));
  EXPECT_EQ(large.code, code::request_entity_too_large);
  EXPECT_EQ(large.options.uint(coap::OptionNumber::size1), 1024u);
  EXPECT_THAT(talk.sink.records, IsEmpty());
}

// RFC 7959 §2.9.3: the first block must not be taken for the whole.
TEST(Posts, AFirstBlockOfSeveralIsTooLarge) {
  Talk talk;
  coap::Message message;
  message.type = coap::Type::con;
  message.code = code::post;
  message.id = 78;
  coap::add_uri(message.options, "/vitals", {});
  message.options.add_uint(coap::OptionNumber::content_format, coap::content_format::senml_json);
  const std::string json = R"([{"n":"hr","v":72}])";
  message.payload.assign(json.begin(), json.end());
  const auto answer_with = [&](std::uint32_t block1) {
    auto one = message;
    one.id = static_cast<std::uint16_t>(100 + block1);
    one.options.add_uint(coap::OptionNumber::block1, block1);
    talk.ingest.handle_datagram(coap::encode(one), talk.now);
    while (const auto event = talk.ingest.poll_event()) talk.session.handle(*event, &talk.ingest, talk.now);
    const auto datagram = talk.ingest.poll_datagram();
    return datagram ? std::optional{coap::decode(*datagram)->code} : std::nullopt;
  };
  EXPECT_EQ(answer_with(0x0e), code::request_entity_too_large);  // block 0 of 1,024 bytes, and more to come
  EXPECT_EQ(answer_with(0x16), code::request_entity_too_large);  // block 1, the last
  EXPECT_THAT(talk.sink.records, IsEmpty());
  EXPECT_EQ(answer_with(0x06), std::nullopt);  // the only block: a whole body, held for storage
  EXPECT_THAT(talk.sink.records, SizeIs(1));
}

TEST(Posts, WellKnownCoreIsComplete) {
  Talk talk;
  coap::Request request;
  request.path = "/.well-known/core";
  const auto heard = talk.ask(request);
  const auto links = coap::decode_links(text(heard.payload));
  ASSERT_TRUE(links);
  std::set<std::string> targets;
  for (const auto& link : *links) {
    targets.insert(link.target);
    std::set<std::string> names;
    for (const auto& [name, value] : link.attributes) names.insert(name);
    EXPECT_TRUE(names.contains("rt") && names.contains("ct")) << link.target;
  }
  EXPECT_EQ(targets, (std::set<std::string>{"/rd", "/time", "/vitals", "/alarms"}));
}

TEST(Posts, NamesTheFormatsThatAPeerMayAccept) {
  Talk talk;
  const auto ask = [&](const char* path, std::uint32_t accept) {
    coap::Message message;
    message.type = coap::Type::con;
    message.code = code::get;
    message.id = static_cast<std::uint16_t>(accept);
    coap::add_uri(message.options, path, {"tk=1"});
    message.options.add_uint(coap::OptionNumber::accept, accept);
    talk.ingest.handle_datagram(coap::encode(message), talk.now);
    while (const auto event = talk.ingest.poll_event()) talk.session.handle(*event, &talk.ingest, talk.now);
    return *coap::decode(talk.ingest.poll_datagram().value_or(coap::Bytes{}));
  };
  EXPECT_EQ(ask("/time", 60).code, code::not_acceptable);
  EXPECT_EQ(ask("/time", 110).options.uint(coap::OptionNumber::content_format), 110u);
  EXPECT_EQ(ask("/.well-known/core", 112).code, code::not_acceptable);
}

TEST(Posts, OfAlarmsFewMayWaitAndTheRestHearsThatStorageIsAway) {  // FAIR-1
  Talk talk;
  talk.shared.config.posts.open_alarms = 2;
  Posts posts(SinkSession{8}, {talk.sink, talk.stats, talk.shared.draw_ticket, talk.shared.draw_boot},
              talk.shared.config.posts);
  const auto take = [&](std::uint64_t exchange) {
    coap::event::RequestReceived request{coap::ExchangeId{exchange},       code::post, "/alarms", {}, {},
                                         coap::content_format::senml_json, {}};
    const std::string json = kAlarm;
    request.payload.assign(json.begin(), json.end());
    return posts.take(Resource::alarms, request, testing::urn, talk.wall(), false, talk.now).answer;
  };
  EXPECT_FALSE(take(1));
  EXPECT_FALSE(take(2));
  const auto beyond = take(3);
  ASSERT_TRUE(beyond);
  EXPECT_EQ(beyond->code, code::service_unavailable);
  EXPECT_THAT(talk.sink.records, SizeIs(2));
  EXPECT_TRUE(posts.settle(talk.sink.records[0].ticket, RecordResult::committed));
  EXPECT_FALSE(take(4)) << "one was stored";
}

}  // namespace
}  // namespace wardlink::ingest

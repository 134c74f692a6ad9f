// Enumerators of storage, of the contract, and as numbers.

#include "storage/wire/enums.hpp"

#include <gtest/gtest.h>

#include "signs/waveforms.hpp"
#include "storage/live/cursor.hpp"
#include "storage/port/numbers.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

/// Each value that the contract names, but UNSPECIFIED, is one of storage's, and back.
template <typename Message>
void expect_round_trip(const google::protobuf::EnumDescriptor& type) {
  for (int i = 0; i < type.value_count(); ++i) {
    const Message value{type.value(i)->number()};
    const auto own = from_proto(value);
    EXPECT_EQ(own.has_value(), type.value(i)->number() != 0) << type.value(i)->name();
    EXPECT_EQ(own ? to_proto(*own) : value, value) << type.value(i)->name();
  }
  EXPECT_FALSE(from_proto(Message{99}));
  EXPECT_FALSE(from_proto(Message{-1}));
}

TEST(Enums, TheContractsValuesAreStoragesAndBack) {
  expect_round_trip<v1::Stream>(*v1::Stream_descriptor());
  expect_round_trip<v1::AlarmKind>(*v1::AlarmKind_descriptor());
  expect_round_trip<v1::AlarmPriority>(*v1::AlarmPriority_descriptor());
  expect_round_trip<v1::AlarmState>(*v1::AlarmState_descriptor());
  EXPECT_EQ(from_proto(v1::AlarmFact::RAISED), AlarmEvent::raised);
  EXPECT_EQ(from_proto(v1::AlarmFact::ENDED), AlarmEvent::ended);
  EXPECT_FALSE(from_proto(v1::AlarmFact::EVENT_UNSPECIFIED));
}

TEST(Enums, AStreamIsNotTakenForAnotherOfTheSameLowestBits) {
  EXPECT_FALSE(from_proto(v1::Stream{256 + v1::STREAM_VITALS}));
  EXPECT_FALSE(from_proto(v1::Stream{256 + v1::STREAM_WAVEFORM_ECG}));
}

TEST(Enums, EveryWaveformOfTheCatalogueHasAStream) {
  for (const auto& waveform : signs::waveforms())
    EXPECT_TRUE(v1::Stream_IsValid(to_proto(waveform_stream(waveform.id)))) << waveform.wire;
}

TEST(Enums, NumbersAreEnumeratorsOrNothing) {
  EXPECT_EQ(numbered<Stream>(4), Stream::storage);
  EXPECT_EQ(numbered<Stream>(17), waveform_stream(1));
  for (const std::int64_t none : {-1, 0, 5, 16, 256, 257}) EXPECT_FALSE(numbered<Stream>(none)) << none;
  EXPECT_EQ(numbered<AlarmPriority>(3), AlarmPriority::high);
  EXPECT_FALSE(numbered<AlarmPriority>(4));
  EXPECT_FALSE(numbered<AlarmEvent>(0));
  EXPECT_FALSE(numbered<AlarmKind>(3));
  EXPECT_EQ(numbered<LiveKind>(0), LiveKind::none);
  EXPECT_EQ(numbered<LiveKind>(7), LiveKind::reattribution);
  EXPECT_FALSE(numbered<LiveKind>(8));
  EXPECT_EQ(numbered<AlarmEndCause>(5), AlarmEndCause::person);
  EXPECT_FALSE(numbered<AlarmEndCause>(0));
  EXPECT_FALSE(numbered<AlarmChange::Kind>(5));
}

TEST(Enums, AnAlarmOfAnUnknownPriorityIsKeptAsItCame) {
  v1::Record message;
  message.set_stream(v1::STREAM_ALARMS);
  message.mutable_alarm()->set_event(v1::AlarmFact::RAISED);
  message.mutable_alarm()->set_kind(v1::ALARM_KIND_TECHNICAL);
  message.mutable_alarm()->set_priority(v1::AlarmPriority{256 + v1::ALARM_PRIORITY_LOW});
  const auto record = record_of(message, nullptr, Instant{});
  const auto* kept = std::get_if<Unusable>(&record.body);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->reason, "bad_alarm");
  EXPECT_EQ(kept->payload, message.SerializeAsString());
}

TEST(Enums, ACursorOfAKindThatIsNotKnownBeginsAnew) {
  LivePosition position{.transaction = 7, .kind = LiveKind::waveform};
  EXPECT_EQ(read_cursor("epoch", make_cursor("epoch", position)), position);
  position.kind = LiveKind{8};
  EXPECT_THROW(read_cursor("epoch", make_cursor("epoch", position)), OutOfRange);
}

// LIFE-2: what a newer version stored can be acknowledged, and is no end of the pages.
TEST(Enums, NamesAndPlacesOfANewerVersionsStreamsLeadToThem) {
  EXPECT_EQ(parse_alarm("name", "devices/urn:dev:os:32473-a/alarms/7-4-1").stream, Stream::storage);
  EXPECT_EQ(parse_alarm("name", "devices/urn:dev:os:32473-a/alarms/7-9-1").stream, Stream{9});
  EXPECT_THROW(parse_alarm("name", "devices/urn:dev:os:32473-a/alarms/7-256-1"), InvalidArgument);
  EXPECT_EQ(read_place(to_place({Instant{}, 1, 7, Stream::manual, 1})).stream, Stream::manual);
  EXPECT_EQ(read_place(to_place({Instant{}, 1, 7, Stream{9}, 1})).stream, Stream{9});
  EXPECT_THROW(read_place("0,1,7,256,1"), InvalidArgument);
}

// LIFE-2
TEST(Enums, AnAlarmOfANewerVersionIsShownAndHigh) {
  AlarmCondition alarm;
  alarm.device = "urn:dev:os:32473-a";
  alarm.start = Instant{};
  for (const auto number : {0, 4, 255}) {
    alarm.priority = AlarmPriority{static_cast<std::uint8_t>(number)};
    EXPECT_EQ(to_proto(alarm).priority(), v1::ALARM_PRIORITY_HIGH) << number;
  }
  alarm.priority = AlarmPriority::low;
  alarm.kind = AlarmKind{9};
  alarm.stream = Stream{9};
  EXPECT_EQ(to_proto(alarm).kind(), v1::ALARM_KIND_UNSPECIFIED);
  EXPECT_EQ(to_proto(alarm).priority(), v1::ALARM_PRIORITY_LOW);
  EXPECT_EQ(to_proto(alarm).name(), "devices/urn:dev:os:32473-a/alarms/0-9-0");
}

}  // namespace
}  // namespace wardlink::storage

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

constexpr const char* device = "devices/urn:dev:os:32473-a";

class DeviceClockCommand : public ClientTest {
 protected:
  DeviceClockCommand() {
    devices_.clock = [this](const v1::GetDeviceClockRequest& request, v1::DeviceClock& clock) {
      asked_ = request.device();
      clock = clock_;
      clock.set_device(request.device());
      return grpc::Status::OK;
    };
  }
  /// Its tick 0 was so many seconds before noon, and it was read 10 s after it.
  static v1::StartClock& read(v1::StartClock& start, std::uint64_t boot, std::uint64_t ordinal, std::int64_t began) {
    start.set_boot(boot);
    start.set_ordinal(ordinal);
    *start.mutable_registered_at() = before_noon(began - 1);
    start.set_readings(2);
    *start.mutable_read_at() = before_noon(began - 10);
    start.set_tick_ms(10'000);
    *start.mutable_anchor() = before_noon(began);
    start.mutable_uncertainty()->set_nanos(12'000'001);
    return start;
  }
  std::string asked_;
  v1::DeviceClock clock_;
};

// TIME-2, TIME-6
TEST_F(DeviceClockCommand, SaysHowWellTheClockIsKnownWhenItStartedAndWhatMovedIt) {
  clock_.mutable_uncertainty()->set_seconds(1);
  clock_.mutable_uncertainty()->set_nanos(250'000'001);
  clock_.set_starts_in_day(2);
  for (const auto began : {599, 3599}) *clock_.add_start_times() = before_noon(began);
  auto& present = read(*clock_.add_starts(), 77, 9, 600);
  auto& moved = *present.add_steps();
  moved.set_cause(v1::ClockStep::CLOCK_READ);
  *moved.mutable_from_time() = before_noon(300);
  moved.mutable_by()->set_seconds(-2);
  moved.mutable_by()->set_nanos(-500'000'000);
  auto& set = *present.add_steps();
  set.set_cause(v1::ClockStep::CALENDAR_SET);
  *set.mutable_from_time() = before_noon(400);
  set.mutable_by()->set_seconds(3600);
  read(*clock_.add_starts(), 76, 8, 3600).set_believed(true);
  auto& debt = *clock_.add_unplaced_starts();
  debt.set_boot(5);
  debt.set_never_dated(true);
  clock_.set_more_starts(true);
  const Answer answer = ask({"devices", "clock", "urn:dev:os:32473-a"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(asked_, device);
  EXPECT_EQ(answer.out,
            "DEVICE          urn:dev:os:32473-a\n"
            "measured now    +/-1.251s\n"
            "starts in 24 h  2: 2026-03-01T11:50:01Z, 2026-03-01T11:00:01Z\n"
            "\n"
            "BOOT  ORDINAL  REGISTERED                READ  LAST                       TICK  TICK 0                    "
            "   WITHIN  CLOCK\n"
            "  77        9  2026-03-01T11:50:01.000Z     2  2026-03-01T11:50:10.000Z  10000  2026-03-01T11:50:00.000Z  "
            "+/-0.013s  present\n"
            "  76        8  2026-03-01T11:00:01.000Z     2  2026-03-01T11:00:10.000Z  10000  2026-03-01T11:00:00.000Z  "
            "+/-0.013s  believed as before the upgrade\n"
            "   5        -  -                            0  -                             -  -                         "
            "        -  never dated\n"
            "and earlier ones\n"
            "\n"
            "BOOT  FROM                          BY  AS\n"
            "  77  2026-03-01T11:55:00.000Z   -2.5s  its clock was read, and stood elsewhere\n"
            "  77  2026-03-01T11:53:20.000Z  +3600s  the database's calendar was set\n");
}

TEST_F(DeviceClockCommand, SaysWhatIsNotKnown) {
  auto& debt = *clock_.add_unplaced_starts();
  debt.set_boot(5);
  debt.set_never_dated(true);
  const auto answer = ask({"devices", "clock", "urn:dev:os:32473-a"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("measured now    of an unknown clock\n"));
  EXPECT_THAT(answer.out, HasSubstr("starts in 24 h  0\n"));
  clock_.Clear();
  const auto nothing = ask({"devices", "clock", "urn:dev:os:32473-a"});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_EQ(nothing.out, "");
  EXPECT_THAT(nothing.err, HasSubstr("urn:dev:os:32473-a has not started yet"));
}

TEST_F(DeviceClockCommand, PrintsProtobufJson) {
  read(*clock_.add_starts(), 77, 9, 600);
  const auto answer = ask({"devices", "clock", "urn:dev:os:32473-a", "--json"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("\"readAt\": \"2026-03-01T11:50:10Z\""));
  EXPECT_THAT(answer.out, HasSubstr("\"neverDated\": false"));
}

TEST_F(DeviceClockCommand, NamesTheDeviceThatIsNotThere) {
  devices_.clock = [](const auto& request, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, request.device() + " does not exist");
  };
  const auto answer = ask({"devices", "clock", "urn:dev:os:32473-none"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("devices/urn:dev:os:32473-none does not exist"));
  EXPECT_EQ(ask({"devices", "clock", "Bed 1"}).code, 2);
}

}  // namespace
}  // namespace wardlink::command_line

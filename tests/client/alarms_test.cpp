#include <google/protobuf/util/json_util.h>

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

class Alarms : public ClientTest {
 protected:
  Alarms() {
    alarms_.alarms = [this](const v1::ListAlarmsRequest& request, v1::ListAlarmsResponse& response) {
      request_ = request;
      v1::Alarm& open = *response.add_alarms();
      open.set_name("devices/urn:dev:os:32473-a/alarms/5-alarms-3");
      open.set_device("devices/urn:dev:os:32473-a");
      open.set_patient_display_name("Bed 1");
      open.set_kind(v1::ALARM_KIND_PHYSIOLOGICAL);
      open.set_priority(v1::ALARM_PRIORITY_HIGH);
      open.set_code("spo2-low");
      open.set_sign("spo2");
      open.set_value(88);
      open.set_limit(91);
      open.set_state(v1::ALARM_STATE_ACKNOWLEDGED);
      open.set_acknowledged_by("urn:wardlink:client:nurse");
      *open.mutable_start_time() = before_noon(60);
      v1::Alarm& ended = *response.add_alarms();
      ended.set_name("devices/urn:dev:os:32473-b/alarms/6-2-1");
      ended.set_state(v1::ALARM_STATE_ENDED);
      ended.set_device("devices/urn:dev:os:32473-b");
      ended.set_kind(v1::ALARM_KIND_TECHNICAL);
      ended.set_priority(v1::ALARM_PRIORITY_LOW);
      ended.set_code("lead-off");
      *ended.mutable_end_time() = before_noon(0);
      ended.set_end_cause(v1::ALARM_END_CAUSE_RELEASED);
      ended.set_ended_by("urn:wardlink:client:ada");
      return grpc::Status::OK;
    };
  }
  v1::ListAlarmsRequest request_;
};

// LIFE-2: who has seen it, and the name that `alarms ack` takes.
TEST_F(Alarms, PrintsOneLineEach) {
  const Answer answer = ask({"alarms", "list"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(
      answer.out,
      "ONSET                 END                   ENDED BY                             "
      "STATE                                      PRIORITY  KIND         "
      "  CODE      SIGN  VALUE  LIMIT  PATIENT  DEVICE              NAME\n"
      "2026-03-01T11:59:00Z  open                  -                                    "
      "acknowledged by urn:wardlink:client:nurse  high      physiological"
      "  spo2-low  spo2     88     91  Bed 1    urn:dev:os:32473-a  devices/urn:dev:os:32473-a/alarms/5-alarms-3\n"
      "unknown               2026-03-01T12:00:00Z  released by urn:wardlink:client:ada  "
      "ended                                      low       technical    "
      "  lead-off  -         -      -  -        urn:dev:os:32473-b  devices/urn:dev:os:32473-b/alarms/6-2-1\n");
}

// TIME-2: what may be of more than one wearer is nobody's, and says how well it is dated.
TEST_F(Alarms, SaysWhatIsNobodysAndHowWellItIsDated) {
  alarms_.alarms = [](const auto&, v1::ListAlarmsResponse& response) {
    for (const auto& [seconds, nanos] : {std::pair{1, 0}, {1, 1}, {60, 20'000'000}}) {
      v1::Alarm& alarm = *response.add_alarms();
      alarm.set_device("devices/urn:dev:os:32473-a");
      *alarm.mutable_start_time() = before_noon(60);
      alarm.mutable_uncertainty()->set_seconds(seconds);
      alarm.mutable_uncertainty()->set_nanos(nanos);
      alarm.set_unattributed(seconds > 1);
    }
    return grpc::Status::OK;
  };
  const Answer answer = ask({"alarms", "list"});
  for (const char* text :
       {"2026-03-01T11:59:00Z  ", "2026-03-01T11:59:00Z +/-2s", "2026-03-01T11:59:00Z +/-61s", "unattributed"})
    EXPECT_THAT(answer.out, testing::HasSubstr(text));
}

// TIME-2: what is dated by its reception is marked.
TEST_F(Alarms, MarksWhatADeviceSaidWasLater) {
  alarms_.alarms = [](const auto&, v1::ListAlarmsResponse& response) {
    auto& alarm = *response.add_alarms();
    *alarm.mutable_start_time() = before_noon(60);
    alarm.mutable_clock_jump()->set_seconds(90);
    return grpc::Status::OK;
  };
  EXPECT_THAT(ask({"alarms", "list"}).out, testing::HasSubstr("2026-03-01T11:59:00Z clock  open"));
}

// LIFE-1: each cause says how, and on whose word.
TEST_F(Alarms, SaysHowEachEnded) {
  alarms_.alarms = [](const v1::ListAlarmsRequest&, v1::ListAlarmsResponse& response) {
    for (const auto cause : {v1::ALARM_END_CAUSE_DEVICE, v1::ALARM_END_CAUSE_RESTARTED, v1::ALARM_END_CAUSE_DISCHARGED,
                             v1::ALARM_END_CAUSE_PERSON}) {
      v1::Alarm& alarm = *response.add_alarms();
      *alarm.mutable_end_time() = before_noon(0);
      alarm.set_end_cause(cause);
      if (cause >= v1::ALARM_END_CAUSE_DISCHARGED) alarm.set_ended_by("urn:wardlink:client:ada");
      if (cause == v1::ALARM_END_CAUSE_PERSON) alarm.set_end_reason("device lost");
    }
    return grpc::Status::OK;
  };
  const Answer answer = ask({"alarms", "list"});
  for (const auto* how : {"12:00:00Z  device  ", "unknown: device restarted", "discharged by urn:wardlink:client:ada",
                          "closed by urn:wardlink:client:ada: device lost"})
    EXPECT_THAT(answer.out, testing::HasSubstr(how));
}

// LIFE-1
TEST_F(Alarms, ClosesWithAReason) {
  v1::CloseAlarmsRequest asked;
  alarms_.close = [&](const v1::CloseAlarmsRequest& request, v1::CloseAlarmsResponse& response) {
    asked = request;
    v1::Alarm& alarm = *response.add_alarms();
    alarm.set_code("lead-off");
    *alarm.mutable_end_time() = before_noon(0);
    alarm.set_end_cause(v1::ALARM_END_CAUSE_PERSON);
    alarm.set_ended_by("urn:wardlink:client:admin");
    alarm.set_end_reason(request.reason());
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"alarms", "close", "urn:dev:os:32473-b/alarms/6-2-1"}).code, 2) << "a reason is needed";
  const Answer answer =
      ask({"alarms", "close", "urn:dev:os:32473-b/alarms/6-2-1", "devices/x/alarms/1-2-3", "--reason", "device lost"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(asked.names(), testing::ElementsAre("devices/urn:dev:os:32473-b/alarms/6-2-1", "devices/x/alarms/1-2-3"));
  EXPECT_THAT(answer.out, testing::HasSubstr("closed by urn:wardlink:client:admin: device lost"));
  alarms_.close = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "it was closed by somebody else");
  };
  EXPECT_EQ(ask({"alarms", "close", "devices/x/alarms/1-2-3", "--reason", "lost"}).code, 3);
}

// LIFE-2
TEST_F(Alarms, InSightIsWhatHasNotEndedOrIsNotAcknowledged) {
  ask({"alarms", "list", "--in-sight"});
  EXPECT_FALSE(request_.open_only());
  EXPECT_THAT(request_.states(),
              testing::ElementsAre(v1::ALARM_STATE_RAISED, v1::ALARM_STATE_ENDED, v1::ALARM_STATE_ACKNOWLEDGED));
  EXPECT_EQ(ask({"alarms", "list", "--system", "--in-sight"}).code, 2) << "nobody acknowledges these";
}

TEST_F(Alarms, PassesTheQuestionOn) {
  ask({"alarms", "list", "urn:dev:os:32473-a", "--open", "--from", "-2h", "--limit", "9"});
  EXPECT_EQ(request_.parent(), "devices/urn:dev:os:32473-a");
  EXPECT_TRUE(request_.open_only());
  EXPECT_EQ(request_.start_time().seconds(), before_noon(7200).seconds());
  EXPECT_FALSE(request_.has_end_time());
  EXPECT_EQ(request_.page_size(), 9);
}

TEST_F(Alarms, PrintsJsonThatReadsBack) {
  const Answer answer = ask({"alarms", "list", "--json"});
  v1::ListAlarmsResponse whole;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(answer.out, &whole).ok()) << answer.out;
  ASSERT_EQ(whole.alarms_size(), 2);
  EXPECT_EQ(whole.alarms(0).limit(), 91);
  EXPECT_FALSE(whole.alarms(1).has_limit());
}

TEST_F(Alarms, SaysThatNoneMatches) {
  alarms_.alarms = [](const auto&, auto&) { return grpc::Status::OK; };
  const Answer answer = ask({"alarms", "list", "--open"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_EQ(answer.out, "");
}

// DUR-1
TEST_F(Alarms, ListsTheSystemsOwn) {
  v1::ListSystemAlarmsRequest asked;
  alarms_.system_alarms = [&](const v1::ListSystemAlarmsRequest& request, v1::ListSystemAlarmsResponse& response) {
    asked = request;
    v1::SystemAlarm& alarm = *response.add_system_alarms();
    alarm.set_name("systemAlarms/7");
    alarm.set_code("durability");
    alarm.set_priority(v1::ALARM_PRIORITY_HIGH);
    alarm.set_detail("Switch it on.");
    alarm.set_source("wardlink-storage at b");
    alarm.mutable_start_time()->set_seconds(1'700'000'000);
    return grpc::Status::OK;
  };
  const Answer table = ask({"alarms", "list", "--system", "--open", "--limit", "3"});
  EXPECT_EQ(table.code, 0);
  EXPECT_TRUE(asked.open_only());
  EXPECT_EQ(asked.page_size(), 3);
  for (const auto* word : {"open", "high", "durability", "Switch it on.", "wardlink-storage at b"})
    EXPECT_NE(table.out.find(word), std::string::npos) << word << " in\n" << table.out;
  v1::ListSystemAlarmsResponse whole;
  const Answer json = ask({"alarms", "list", "--system", "--json"});
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json.out, &whole).ok()) << json.out;
  EXPECT_EQ(whole.system_alarms(0).name(), "systemAlarms/7");
  EXPECT_EQ(ask({"alarms", "list", "--system", "urn:dev:os:32473-a"}).code, 2) << "they are nobody's";
}

}  // namespace
}  // namespace wardlink::command_line

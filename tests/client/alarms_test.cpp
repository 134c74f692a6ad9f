#include <google/protobuf/util/json_util.h>

#include "scripted_server.hpp"

namespace wardlink::client {
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
      *open.mutable_start_time() = before_noon(60);
      v1::Alarm& ended = *response.add_alarms();
      ended.set_device("devices/urn:dev:os:32473-b");
      ended.set_kind(v1::ALARM_KIND_TECHNICAL);
      ended.set_priority(v1::ALARM_PRIORITY_LOW);
      ended.set_code("lead-off");
      *ended.mutable_end_time() = before_noon(0);
      return grpc::Status::OK;
    };
  }
  v1::ListAlarmsRequest request_;
};

TEST_F(Alarms, PrintsOneLineEach) {
  const Answer answer = ask({"alarms", "list"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(
      answer.out,
      "ONSET                 END                   PRIORITY  KIND           CODE      SIGN  VALUE  LIMIT  PATIENT  "
      "DEVICE\n"
      "2026-03-01T11:59:00Z  open                  high      physiological  spo2-low  spo2     88     91  Bed 1    "
      "urn:dev:os:32473-a\n"
      "unknown               2026-03-01T12:00:00Z  low       technical      lead-off  -         -      -  -        "
      "urn:dev:os:32473-b\n");
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

}  // namespace
}  // namespace wardlink::client

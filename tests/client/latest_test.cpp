#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

void add_sign(v1::LatestVitals& vitals, const char* sign, double value, const char* unit, std::int64_t age,
              bool implausible = false) {
  v1::LatestSign& latest = *vitals.add_signs();
  latest.set_sign(sign);
  latest.set_value(value);
  latest.set_unit(unit);
  latest.set_implausible(implausible);
  *latest.mutable_measured_at() = before_noon(age);
}

class Latest : public ClientTest {
 protected:
  Latest() {
    vitals_.latest = [this](const v1::GetLatestRequest& request, v1::GetLatestResponse& response) {
      parent_ = request.parent();
      v1::LatestVitals& worn = *response.add_vitals();
      worn.set_patient("patients/7");
      worn.set_patient_display_name("Bed 1");
      worn.set_device("devices/urn:dev:os:32473-a");
      add_sign(worn, "hr", 72, "/min", 1);
      add_sign(worn, "temp", 37.6, "Cel", 3700);
      worn.set_open_alarms(1);
      v1::Alarm& alarm = *worn.add_alarms();
      alarm.set_code("temp-high");
      *alarm.mutable_start_time() = before_noon(65);
      alarm.set_acknowledged_by(seen_by_);
      *worn.mutable_last_received_at() = before_noon(1);
      v1::LatestVitals& unassigned = *response.add_vitals();
      unassigned.set_device("devices/urn:dev:os:32473-b");
      add_sign(unassigned, "hr", 0, "/min", 30, true);
      return grpc::Status::OK;
    };
  }
  std::string parent_ = "?", seen_by_;
};

// TIME-2, TIME-5: what is not known well, or not current, does not look as if it were.
TEST_F(Latest, SaysWhatIsStaleAndHowWellItsInstantIsKnown) {
  vitals_.latest = [](const auto&, v1::GetLatestResponse& response) {
    auto& worn = *response.add_vitals();
    worn.set_device("devices/urn:dev:os:32473-a");
    add_sign(worn, "hr", 72, "/min", 90);
    worn.mutable_signs(0)->set_stale(true);
    worn.mutable_signs(0)->mutable_uncertainty()->set_seconds(2);
    worn.mutable_signs(0)->mutable_uncertainty()->set_nanos(1);
    add_sign(worn, "spo2", 98, "%", 90);
    worn.mutable_signs(1)->mutable_uncertainty()->set_seconds(1);
    add_sign(worn, "rr", 12, "/min", 1);
    worn.mutable_signs(2)->mutable_clock_jump()->set_seconds(3600);
    return grpc::Status::OK;
  };
  EXPECT_EQ(
      ask({"vitals", "latest"}).out,
      "PATIENT  DEVICE              hr [/min]             age  spo2 [%]  age  rr [/min]       age  HEARD  OPEN ALARMS\n"
      "-        urn:dev:os:32473-a         72  1m +/-3s stale        98   1m         12  1s clock      -  -\n");
}

// LIFE-2
TEST_F(Latest, SaysWhoHasSeenAnAlarm) {
  seen_by_ = "urn:wardlink:client:nurse";
  EXPECT_THAT(ask({"vitals", "latest"}).out, HasSubstr("temp-high 1m (acknowledged by urn:wardlink:client:nurse)\n"));
}

TEST_F(Latest, PrintsALineForEachWearerWithValuesAgesAndAlarms) {
  const Answer answer = ask({"vitals", "latest"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(parent_, "");
  EXPECT_EQ(answer.out,
            "PATIENT  DEVICE              hr [/min]  age  temp [Cel]  age  HEARD  OPEN ALARMS\n"
            "Bed 1    urn:dev:os:32473-a         72   1s        37.6   1h     1s  temp-high 1m\n"
            "-        urn:dev:os:32473-b         0?  30s           -    -      -  -\n");
}

TEST_F(Latest, PrintsProtobufJsonWithZeroes) {
  const Answer answer = ask({"vitals", "latest", "--json"});
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(answer.out, HasSubstr("\"patientDisplayName\": \"Bed 1\""));
  EXPECT_THAT(answer.out, HasSubstr("\"value\": 37.6"));
  EXPECT_THAT(answer.out, HasSubstr("\"value\": 0,"));
  EXPECT_THAT(answer.out, HasSubstr("\"measuredAt\": \"2026-03-01T11:59:59Z\""));
}

TEST_F(Latest, AsksForOneDevice) {
  EXPECT_EQ(ask({"vitals", "latest", "urn:dev:os:32473-a"}).code, 0);
  EXPECT_EQ(parent_, "devices/urn:dev:os:32473-a");
}

// TIME-5: ages count from the server's calendar, whatever this host's says, and are never negative.
TEST_F(Latest, TakesAgesFromTheServersCalendar) {
  vitals_.latest = [](const auto&, v1::GetLatestResponse& response) {
    auto& worn = *response.add_vitals();
    worn.set_device("devices/urn:dev:os:32473-a");
    add_sign(worn, "hr", 72, "/min", 7200);
    add_sign(worn, "spo2", 98, "%", 7190);  // yet to come
    auto& alarm = *worn.add_alarms();
    alarm.set_code("hr-high");
    *alarm.mutable_start_time() = before_noon(7265);
    *worn.mutable_last_received_at() = before_noon(7199);
    *worn.mutable_read_time() = before_noon(7195);
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"vitals", "latest"}).out,
            "PATIENT  DEVICE              hr [/min]  age  spo2 [%]  age  HEARD  OPEN ALARMS\n"
            "-        urn:dev:os:32473-a         72   5s        98   0s     4s  hr-high 1m\n");
}

// FAIR-2: a hospital's pages, each in its own order, are one table.
TEST_F(Latest, FollowsThePagesToTheEndAndSortsThem) {
  std::vector<std::string> tokens;
  vitals_.latest = [&](const v1::GetLatestRequest& request, v1::GetLatestResponse& response) {
    tokens.push_back(request.page_token());
    const auto page = tokens.size();
    if (page == 1) {
      response.add_vitals()->set_device("devices/urn:dev:os:32473-b");
    } else if (page == 3) {  // the second is empty
      for (const char* name : {"Bob", "Ann"}) {
        auto& worn = *response.add_vitals();
        worn.set_patient(std::string("patients/") + name);
        worn.set_patient_display_name(name);
        worn.set_device(std::string("devices/urn:dev:os:32473-") + name);
      }
    }
    if (page < 3) response.set_next_page_token("page " + std::to_string(page + 1));
    return grpc::Status::OK;
  };
  const Answer answer = ask({"vitals", "latest"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(tokens, testing::ElementsAre("", "page 2", "page 3"));
  EXPECT_LT(answer.out.find("Ann"), answer.out.find("Bob"));
  EXPECT_LT(answer.out.find("Bob"), answer.out.find("32473-b"));
}

TEST_F(Latest, SaysThatThereIsNothing) {
  vitals_.latest = [](const auto&, auto&) { return grpc::Status::OK; };
  const Answer answer = ask({"vitals", "latest"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_EQ(answer.out, "");
  EXPECT_THAT(answer.err, HasSubstr("No vitals yet"));
}

}  // namespace
}  // namespace wardlink::command_line

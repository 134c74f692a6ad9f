// wardlink vitals watch, alarms watch, alarms ack, vitals aggregate.

#include <csignal>
#include <vector>

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::WatchResponse a_set(std::uint64_t sequence) {
  v1::WatchResponse response;
  response.set_cursor("c" + std::to_string(sequence));
  response.set_patient_display_name("Bed 1");
  auto& set = *response.mutable_measurement_set();
  set.set_device("devices/urn:dev:os:32473-a");
  set.set_sequence(sequence);
  *set.mutable_measured_at() = before_noon(60);
  auto& reading = *set.add_readings();
  reading.set_sign("hr");
  reading.set_value(72);
  reading.set_unit("/min");
  return response;
}

class WatchCommand : public ClientTest {
 protected:
  /// Two sets and a loss, then what `second` does.
  void script(std::function<grpc::Status(grpc::ServerWriter<v1::WatchResponse>&)> second) {
    vitals_.watch = [this, second](const v1::WatchRequest& request, grpc::ServerWriter<v1::WatchResponse>& stream) {
      cursors_.push_back(request.cursor());
      if (cursors_.size() > 1) return second(stream);
      stream.Write(a_set(1));
      stream.Write(a_set(2));
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the service stops");
    };
  }

  std::vector<std::string> cursors_;
};

TEST_F(WatchCommand, GoesOnByItselfFromItsCursorAndEndsCleanlyWhenInterrupted) {
  script([](auto& stream) {
    auto late = a_set(3);
    late.set_late(true);
    stream.Write(late);
    while (stream.Write(v1::WatchResponse())) {
    }
    return grpc::Status::OK;
  });
  bool interrupted = false;
  const Answer answer = ask({"vitals", "watch"}, [&](const std::string& out) {
    if (!interrupted && out.find("(late)") != std::string::npos) interrupted = std::raise(SIGINT) == 0;
  });
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(cursors_, ElementsAre("", "c2"));
  const std::string line = "2026-03-01T11:59:00.000Z  Bed 1 (urn:dev:os:32473-a)  hr 72 /min";
  EXPECT_EQ(answer.out, line + "\n" + line + "\n" + line + "  (late)\n");
  EXPECT_THAT(answer.err, HasSubstr("go on with --cursor c3"));
}

TEST_F(WatchCommand, StopsWhereTheServerSaysNo) {
  script([](auto&) { return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "the cursor is of another database"); });
  const Answer answer = ask({"vitals", "watch", "wards/icu", "--cursor", "c0", "--json"});
  EXPECT_EQ(answer.code, 3);
  EXPECT_THAT(cursors_, ElementsAre("c0", "c2"));
  EXPECT_THAT(answer.out, HasSubstr("\"cursor\":\"c1\""));
  EXPECT_THAT(answer.err, HasSubstr("of another database"));
}

// LIFE-2
TEST_F(WatchCommand, ThePresentStateSaysWhoHasSeenAnAlarmAndWhatItIsCalled) {
  const std::string name = "devices/urn:dev:os:32473-a/alarms/5-2-3";
  const auto tell = [&](v1::Alarm& alarm) {
    alarm.set_name(name);
    alarm.set_device("devices/urn:dev:os:32473-a");
    alarm.set_priority(v1::ALARM_PRIORITY_HIGH);
    alarm.set_code("spo2-low");
    alarm.set_state(v1::ALARM_STATE_ACKNOWLEDGED);
    alarm.set_acknowledged_by("urn:wardlink:client:nurse");
  };
  const std::string told = "ALARM open, acknowledged by urn:wardlink:client:nurse: high spo2-low  " + name + "\n";
  const grpc::Status over(grpc::StatusCode::OUT_OF_RANGE, "over");
  vitals_.watch = [&](const auto&, auto& stream) {
    v1::WatchResponse response;
    response.mutable_latest()->set_device("devices/urn:dev:os:32473-a");
    tell(*response.mutable_latest()->add_alarms());
    stream.Write(response);
    return over;
  };
  alarms_.watch = [&](const auto&, auto& stream) {
    v1::WatchResponse response;
    tell(*response.mutable_open_alarm());
    stream.Write(response);
    return over;
  };
  EXPECT_THAT(ask({"vitals", "watch"}).out, HasSubstr(told));
  EXPECT_THAT(ask({"alarms", "watch"}).out, HasSubstr(told));
}

// TIME-5
TEST_F(WatchCommand, ThePresentStateSaysWhatIsStale) {
  vitals_.watch = [&](const auto&, auto& stream) {
    v1::WatchResponse response;
    auto& vitals = *response.mutable_latest();
    vitals.set_device("devices/urn:dev:os:32473-a");
    for (const bool stale : {true, false}) {
      auto& sign = *vitals.add_signs();
      sign.set_sign(stale ? "hr" : "spo2");
      sign.set_value(72);
      sign.set_stale(stale);
      sign.mutable_uncertainty()->set_seconds(stale ? 3 : 0);
    }
    stream.Write(response);
    return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "over");
  };
  EXPECT_THAT(ask({"vitals", "watch"}).out, HasSubstr("  hr 72 +/-3s stale, spo2 72\n"));
}

TEST_F(WatchCommand, AsksForWaveformsWhereItIsToldTo) {
  std::vector<bool> asked;
  vitals_.watch = [&](const v1::WatchRequest& request, grpc::ServerWriter<v1::WatchResponse>& stream) {
    asked.push_back(request.waveforms());
    v1::WatchResponse response;
    auto& run = *response.mutable_waveform_run();
    run.set_device("devices/urn:dev:os:32473-a");
    run.set_waveform("ecg");
    *run.mutable_measured_at() = before_noon(60);
    for (int sample : {1, 2, 3}) run.add_samples(sample);
    stream.Write(response);
    return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "enough");
  };
  EXPECT_EQ(ask({"vitals", "watch", "--waveforms"}).out,
            "2026-03-01T11:59:00.000Z  urn:dev:os:32473-a  ecg, 3 samples\n");
  ask({"vitals", "watch"});
  EXPECT_THAT(asked, ElementsAre(true, false));
  EXPECT_EQ(ask({"alarms", "watch", "--waveforms"}).code, 2);
}

TEST_F(WatchCommand, AServerThatNeverAnswersIsAway) {
  vitals_.watch = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "no"); };
  EXPECT_EQ(ask({"vitals", "watch"}).code, 4);
}

TEST_F(WatchCommand, AcknowledgesByName) {
  std::vector<std::string> names;
  alarms_.acknowledge = [&](const v1::AcknowledgeRequest& request, v1::AcknowledgeResponse& response) {
    names.assign(request.names().begin(), request.names().end());
    auto& alarm = *response.add_alarms();
    alarm.set_code("spo2-low");
    alarm.set_device("devices/urn:dev:os:32473-a");
    alarm.set_state(v1::ALARM_STATE_ACKNOWLEDGED);
    alarm.set_acknowledged_by("urn:wardlink:client:admin");
    *alarm.mutable_acknowledge_time() = before_noon(0);
    return grpc::Status::OK;
  };
  const Answer answer = ask({"alarms", "ack", "devices/urn:dev:os:32473-a/alarms/5-2-3"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(names, ElementsAre("devices/urn:dev:os:32473-a/alarms/5-2-3"));
  EXPECT_THAT(answer.out, HasSubstr("urn:wardlink:client:admin  acknowledged  spo2-low"));
}

// LIFE-3
TEST_F(WatchCommand, AnAcknowledgementThatIsSomebodyElsesIsNoSuccess) {
  const std::string mine = "devices/urn:dev:os:32473-a/alarms/5-2-3",
                    theirs = "devices/urn:dev:os:32473-a/alarms/5-2-4";
  alarms_.acknowledge = [&](const v1::AcknowledgeRequest& request, v1::AcknowledgeResponse& response) {
    for (const auto& name : request.names()) {
      response.add_alarms()->set_name(name);
      if (name == theirs) response.add_acknowledged_by_others(name);
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"alarms", "ack", mine}).err, "");
  const Answer both = ask({"alarms", "ack", mine, theirs});
  EXPECT_EQ(both.code, 0);
  EXPECT_THAT(both.err, HasSubstr("Somebody else had acknowledged 1 of 2 before"));
  EXPECT_EQ(ask({"alarms", "ack", theirs}).code, 1);
  EXPECT_EQ(ask({"alarms", "ack", theirs, "--json"}).code, 1);
}

TEST_F(WatchCommand, AggregatesByBuckets) {
  v1::AggregateReadingsRequest asked;
  vitals_.aggregates = [&](const v1::AggregateReadingsRequest& request, v1::AggregateReadingsResponse& response) {
    asked = request;
    auto& row = *response.add_aggregates();
    row.set_sign("hr");
    row.set_unit("/min");
    row.set_min(60);
    row.set_mean(70.0 / 3);
    row.set_max(80);
    row.set_count(3);
    row.set_coverage(0.05);
    *row.mutable_start_time() = before_noon(3600);
    return grpc::Status::OK;
  };
  const Answer answer =
      ask({"vitals", "aggregate", "urn:dev:os:32473-a", "--from", "-1h", "--bucket", "1m30s", "--signs", "hr"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(asked.bucket().seconds(), 90);
  EXPECT_EQ(asked.end_time().seconds(), before_noon(0).seconds());
  EXPECT_EQ(answer.out,
            "FROM                  SIGN       MIN    MEAN  MAX  COUNT  IMPLAUSIBLE  COVERAGE  PLAUSIBLE\n"
            "2026-03-01T11:00:00Z  hr [/min]   60  23.333   80      3            0      5.0%  -\n")
      << "of a server that tells of plausible values alone";
  EXPECT_EQ(ask({"vitals", "aggregate", "urn:dev:os:32473-a", "--from", "-1h", "--bucket", "soon"}).code, 2);
}

// A flag hides no value.
TEST_F(WatchCommand, AnAggregateShowsWhatIsImplausibleWithAMark) {
  vitals_.aggregates = [&](const auto&, v1::AggregateReadingsResponse& response) {
    for (const bool any_plausible : {true, false}) {
      auto& row = *response.add_aggregates();
      row.set_sign("hr");
      row.set_unit("/min");
      *row.mutable_start_time() = before_noon(3600);
      row.set_implausible_count(1);
      row.set_all_min(0);
      row.set_all_mean(any_plausible ? 40 : 0);
      row.set_all_max(any_plausible ? 80 : 0);
      row.set_all_coverage(any_plausible ? 0.1 : 0.05);
      if (!any_plausible) continue;
      row.set_count(1);
      row.set_min(80);
      row.set_mean(80);
      row.set_max(80);
      row.set_coverage(0.05);
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"vitals", "aggregate", "urn:dev:os:32473-a", "--from", "-1h"}).out,
            "FROM                  SIGN       MIN     MEAN  MAX  COUNT  IMPLAUSIBLE  COVERAGE  PLAUSIBLE\n"
            "2026-03-01T11:00:00Z  hr [/min]   0?  40.000?   80      2            1     10.0%  80 / 80.000 / 80\n"
            "2026-03-01T11:00:00Z  hr [/min]   0?   0.000?   0?      1            1      5.0%  none\n");
}

}  // namespace
}  // namespace wardlink::command_line

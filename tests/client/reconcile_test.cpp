#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

class ReconcileCommand : public ClientTest {
 protected:
  ReconcileCommand() {
    vitals_.readings = [this](const v1::ListReadingsRequest& request, v1::ListReadingsResponse& response) {
      if (request.parent() != "devices/urn:a") return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such device");
      const std::uint64_t sequence = request.page_token().empty() ? 1 : 2;
      v1::MeasurementSet& set = *response.add_measurement_sets();
      set.set_boot(5);
      set.set_stream(v1::STREAM_VITALS);
      set.set_sequence(sequence);
      set.set_tick_ms(sequence * 1000);
      v1::Reading& reading = *set.add_readings();
      reading.set_sign("hr");
      reading.set_value(stored_value_);
      if (sequence == 1) response.set_next_page_token("2");
      return grpc::Status::OK;
    };
    alarms_.alarms = [](const auto&, auto&) { return grpc::Status::OK; };
  }
  std::string journal(const std::string& device) {
    return scratch_.write(device, R"({"type":"boot","device":")" + device +
                                      R"(","boot":5})"
                                      "\n"
                                      R"({"type":"set","boot":5,"seq":1,"tk":1000,"signs":{"hr":94}})"
                                      "\n"
                                      R"({"type":"set","boot":5,"seq":2,"tk":2000,"signs":{"hr":94}})"
                                      "\n");
  }
  double stored_value_ = 94;
};

TEST_F(ReconcileCommand, ReadsEveryPageBackAndAgrees) {
  const Answer answer = ask({"devices", "reconcile", journal("urn:a")});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "1 device: what they generated is what is stored.\n"
            "                  GENERATED  STORED  MISSING  EXTRA  DIFFERING\n"
            "measurement sets          2       2        0      0          0\n"
            "values                    2       2        0      0          0\n"
            "alarms                    0       0        0      0          0\n"
            "alarm ends                0       0        0      0          0\n");
}

TEST_F(ReconcileCommand, EndsWithOneWhereTheyDiffer) {
  stored_value_ = 95;
  const Answer answer = ask({"devices", "reconcile", journal("urn:a"), "--json"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.out, HasSubstr("\"agrees\": false"));
  EXPECT_THAT(answer.out, HasSubstr("\"differing\": 2"));
  EXPECT_THAT(answer.out, HasSubstr("hr 94 stored as 95"));
}

TEST_F(ReconcileCommand, CountsADeviceThatTheServerNeverHeardOf) {
  const Answer answer = ask({"devices", "reconcile", journal("urn:a"), journal("urn:b")});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.out, HasSubstr("measurement sets          4       2        2      0          0"));
}

TEST_F(ReconcileCommand, DoesNotCallARefusalAReport) {
  alarms_.alarms = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no grant"); };
  const Answer answer = ask({"devices", "reconcile", journal("urn:a")});
  EXPECT_EQ(answer.code, 3);
  EXPECT_EQ(answer.out, "");
}

}  // namespace
}  // namespace wardlink::command_line

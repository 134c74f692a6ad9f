#include <google/protobuf/util/json_util.h>

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

// LIFE-2
class Quarantine : public ClientTest {
 protected:
  Quarantine() {
    alarms_.quarantine = [this](const v1::ListQuarantineRequest& request, v1::ListQuarantineResponse& response) {
      request_ = request;
      v1::QuarantinedRecord& conflict = *response.add_quarantined_records();
      conflict.set_name("quarantinedRecords/9");
      conflict.set_device("devices/urn:dev:os:32473-a");
      conflict.set_patient_display_name("Bed 1");
      conflict.set_boot(5);
      conflict.set_stream(v1::STREAM_ALARMS);
      conflict.set_sequence(3);
      conflict.set_reason("conflict");
      *conflict.mutable_received_at() = before_noon(60);
      conflict.set_seen(2);
      conflict.set_size(8);
      if (request.payload()) conflict.set_payload("{\"a\": 1}");
      v1::QuarantinedRecord& unreadable = *response.add_quarantined_records();
      unreadable.set_device("devices/urn:dev:os:32473-b");
      unreadable.set_stream(v1::Stream{200});
      unreadable.set_reason("undecodable");
      unreadable.set_resource("vitals");
      *unreadable.mutable_received_at() = before_noon(90);
      unreadable.set_seen(1);
      unreadable.set_size(2);
      if (request.payload()) unreadable.set_payload("\x01\xfe");
      return grpc::Status::OK;
    };
  }
  v1::ListQuarantineRequest request_;
};

TEST_F(Quarantine, PrintsOneLineEach) {
  const Answer answer = ask({"quarantine", "list"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "RECEIVED              TIMES  REASON       PATIENT  DEVICE              BOOT  STREAM   SEQUENCE  RESOURCE  "
            "BYTES\n"
            "2026-03-01T11:59:00Z      2  conflict     Bed 1    urn:dev:os:32473-a     5  alarms          3  -         "
            "    8\n"
            "2026-03-01T11:58:30Z      1  undecodable  -        urn:dev:os:32473-b     0  unknown         0  vitals    "
            "    2\n");
  EXPECT_FALSE(request_.payload());
}

TEST_F(Quarantine, ShowsTheBytesToWhoAsksForThem) {
  const Answer answer = ask({"quarantine", "list", "--payload"});
  EXPECT_TRUE(request_.payload());
  EXPECT_THAT(answer.out, testing::HasSubstr("  {\"a\": 1}\n"));
  EXPECT_THAT(answer.out, testing::HasSubstr("  \\x01fe\n"));
}

TEST_F(Quarantine, PassesTheQuestionOn) {
  ask({"quarantine", "list", "urn:dev:os:32473-a", "--from", "-2h", "--limit", "9"});
  EXPECT_EQ(request_.parent(), "devices/urn:dev:os:32473-a");
  EXPECT_EQ(request_.start_time().seconds(), before_noon(7200).seconds());
  EXPECT_FALSE(request_.has_end_time());
  EXPECT_EQ(request_.page_size(), 9);
}

TEST_F(Quarantine, PrintsJsonThatReadsBack) {
  const Answer answer = ask({"quarantine", "list", "--payload", "--json"});
  v1::ListQuarantineResponse whole;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(answer.out, &whole).ok()) << answer.out;
  ASSERT_EQ(whole.quarantined_records_size(), 2);
  EXPECT_EQ(whole.quarantined_records(0).name(), "quarantinedRecords/9");
  EXPECT_EQ(whole.quarantined_records(1).payload(), "\x01\xfe");
}

TEST_F(Quarantine, SaysThatNothingMatches) {
  alarms_.quarantine = [](const auto&, auto&) { return grpc::Status::OK; };
  const Answer answer = ask({"quarantine", "list"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_EQ(answer.out, "");
}

}  // namespace
}  // namespace wardlink::command_line

#include <google/protobuf/util/json_util.h>

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

// TIME-2, LIFE-3
class Unattributed : public ClientTest {
 protected:
  Unattributed() {
    alarms_.unattributed = [this](const v1::ListUnattributedRequest& request, v1::ListUnattributedResponse& response) {
      list_ = request;
      auto& period = *response.add_periods();
      period.set_name("devices/urn:dev:os:32473-a/unattributed/7-1000-9000");
      period.set_device("devices/urn:dev:os:32473-a");
      *period.mutable_start_time() = before_noon(60);
      *period.mutable_end_time() = before_noon(52);
      period.set_measurement_sets(9);
      period.set_alarms(1);
      for (const auto* name : {"Ann", "Bob"}) period.add_candidates()->set_patient_display_name(name);
      return grpc::Status::OK;
    };
    alarms_.settle = [this](const v1::SettleRequest& request, v1::SettleResponse& response) {
      settle_ = request;
      auto& period = *response.add_periods();
      period.set_name(request.names(0));
      *period.mutable_start_time() = *period.mutable_end_time() = before_noon(60);
      period.set_measurement_sets(9);
      return grpc::Status::OK;
    };
  }
  v1::ListUnattributedRequest list_;
  v1::SettleRequest settle_;
};

TEST_F(Unattributed, PrintsOneLineEach) {
  const Answer answer = ask({"alarms", "unattributed", "urn:dev:os:32473-a"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "FROM                  TO                    SETS  WAVEFORMS  ALARMS  MAY BE OF  NAME\n"
            "2026-03-01T11:59:00Z  2026-03-01T11:59:08Z     9          0       1  Ann, Bob   "
            "devices/urn:dev:os:32473-a/unattributed/7-1000-9000\n");
  EXPECT_EQ(list_.parent(), "devices/urn:dev:os:32473-a");
}

TEST_F(Unattributed, PrintsJsonThatReadsBack) {
  const Answer answer = ask({"alarms", "unattributed", "--json"});
  v1::ListUnattributedResponse read;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(answer.out, &read).ok()) << answer.out;
  EXPECT_EQ(read.periods(0).candidates_size(), 2);
}

TEST_F(Unattributed, SaysThatThereIsNone) {
  alarms_.unattributed = [](const v1::ListUnattributedRequest&, v1::ListUnattributedResponse&) {
    return grpc::Status::OK;
  };
  const Answer answer = ask({"alarms", "unattributed"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_EQ(answer.err, "wardlink: Nothing is nobody's.\n");
}

TEST_F(Unattributed, IsSettled) {
  const std::string id = "11111111-2222-4333-8444-555555555555";
  const Answer answer =
      ask({"alarms", "settle", "urn:dev:os:32473-a/unattributed/7-1000-9000", "--patient", "patients/" + id});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(settle_.names(0), "devices/urn:dev:os:32473-a/unattributed/7-1000-9000");
  EXPECT_EQ(settle_.patient(), "patients/" + id);
  EXPECT_FALSE(settle_.nobody());
  EXPECT_THAT(answer.out, testing::HasSubstr("SETTLED AS"));
  EXPECT_EQ(ask({"alarms", "settle", "devices/urn:dev:os:32473-a/unattributed/7-1-2", "--nobody"}).code, 0);
  EXPECT_TRUE(settle_.nobody());
}

TEST_F(Unattributed, IsNotSettledWithoutAWord) {
  for (const auto& said : std::vector<std::vector<std::string>>{{}, {"--patient", "Ann", "--nobody"}}) {
    std::vector<std::string> words{"alarms", "settle", "devices/urn:dev:os:32473-a/unattributed/7-1-2"};
    words.insert(words.end(), said.begin(), said.end());
    const Answer answer = ask(words);
    EXPECT_EQ(answer.code, 2);
    EXPECT_THAT(answer.err, testing::HasSubstr("--patient PATIENT, or --nobody"));
  }
}

}  // namespace
}  // namespace wardlink::command_line

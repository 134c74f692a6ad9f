#include <google/protobuf/util/json_util.h>

#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Gives sets 1 to `total`, a second apart, in pages of three however many are asked for.
class History : public ClientTest {
 protected:
  History() {
    vitals_.readings = [this](const v1::ListReadingsRequest& request, v1::ListReadingsResponse& response) {
      requests_.push_back(request);
      const int first = request.page_token().empty() ? 1 : std::stoi(request.page_token());
      for (int i = first; i < first + 3 && i <= total_; ++i) add_set(*response.add_measurement_sets(), i);
      if (first + 3 <= total_) response.set_next_page_token(std::to_string(first + 3));
      return grpc::Status::OK;
    };
  }

  void add_set(v1::MeasurementSet& set, int i) const {
    set.set_device("devices/urn:dev:os:32473-a");
    set.set_boot(5);
    set.set_stream(v1::STREAM_VITALS);
    set.set_sequence(static_cast<std::uint64_t>(i));
    *set.mutable_measured_at() = before_noon(100 - i);
    v1::Reading& reading = *set.add_readings();
    reading.set_sign("hr");
    reading.set_unit("/min");
    reading.set_value(70 + i);
    if (i < from_which_spo2_) return;
    v1::Reading& second = *set.add_readings();
    second.set_sign("spo2");
    second.set_unit("%");
    second.set_value(97.5);
  }

  int total_ = 4;
  int from_which_spo2_ = 100;
  std::vector<v1::ListReadingsRequest> requests_;
};

TEST_F(History, PagesThrough) {
  total_ = 7;
  const Answer answer = ask({"vitals", "history", "urn:dev:os:32473-a", "--json"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(requests_.size(), 3U);
  v1::ListReadingsResponse whole;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(answer.out, &whole).ok()) << answer.out;
  ASSERT_EQ(whole.measurement_sets_size(), 7);
  EXPECT_EQ(whole.measurement_sets(6).sequence(), 7U);
}

TEST_F(History, PrintsALineForEachSet) {
  total_ = 2;
  const Answer answer = ask({"vitals", "history", "urn:dev:os:32473-a"});
  EXPECT_EQ(answer.out,
            "MEASURED                  DEVICE              SEQUENCE  hr [/min]\n"
            "2026-03-01T11:58:21.000Z  urn:dev:os:32473-a         1         71\n"
            "2026-03-01T11:58:22.000Z  urn:dev:os:32473-a         2         72\n");
}

// TIME-2: what is dated by its reception is marked.
TEST_F(History, MarksWhatADeviceSaidWasMeasuredLater) {
  vitals_.readings = [this](const auto&, v1::ListReadingsResponse& response) {
    add_set(*response.add_measurement_sets(), 1);
    response.mutable_measurement_sets(0)->mutable_clock_jump()->set_seconds(90);
    return grpc::Status::OK;
  };
  EXPECT_THAT(ask({"vitals", "history", "urn:dev:os:32473-a"}).out, HasSubstr("2026-03-01T11:58:21.000Z clock  urn"));
  EXPECT_THAT(ask({"vitals", "history", "urn:dev:os:32473-a", "--json"}).out, HasSubstr("\"clockJump\":\"90s\""));
}

TEST_F(History, BeginsANewTableWhereASignTurnsUp) {
  from_which_spo2_ = 4;
  const Answer answer = ask({"vitals", "history", "urn:dev:os:32473-a"});
  EXPECT_THAT(
      answer.out,
      HasSubstr("         73\n\nMEASURED                  DEVICE              SEQUENCE  hr [/min]  spo2 [%]\n"));
}

TEST_F(History, StopsAtTheLimit) {
  total_ = 100;
  const Answer answer = ask({"vitals", "history", "urn:dev:os:32473-a", "--json", "--limit", "4"});
  EXPECT_EQ(requests_.size(), 2U);
  EXPECT_EQ(requests_[0].page_size(), 4);
  v1::ListReadingsResponse whole;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(answer.out, &whole).ok());
  EXPECT_EQ(whole.measurement_sets_size(), 4);
}

TEST_F(History, PassesSignsAndTimesOn) {
  ask({"vitals", "history", "patients/7", "--signs", "hr,spo2", "--from", "-1h", "--to", "2026-03-01T11:30:00Z"});
  ASSERT_EQ(requests_.size(), 2U);
  EXPECT_EQ(requests_[0].parent(), "patients/7");
  EXPECT_THAT(requests_[0].signs(), ElementsAre("hr", "spo2"));
  EXPECT_EQ(requests_[0].start_time().seconds(), before_noon(3600).seconds());
  EXPECT_EQ(requests_[0].end_time().seconds(), before_noon(1800).seconds());
  EXPECT_EQ(requests_[1].start_time().seconds(), requests_[0].start_time().seconds()) << "pages of the same question";
}

TEST_F(History, RefusesWhatIsNoTime) {
  const Answer answer = ask({"vitals", "history", "patients/7", "--from", "yesterday"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err, HasSubstr("--from yesterday is no time"));
  EXPECT_TRUE(requests_.empty());
}

TEST_F(History, SaysThatThereIsNothing) {
  total_ = 0;
  EXPECT_EQ(ask({"vitals", "history", "patients/7"}).code, 1);
  const Answer json = ask({"vitals", "history", "patients/7", "--json"});
  EXPECT_EQ(json.code, 1);
  EXPECT_EQ(json.out, "{\"measurementSets\":[]}\n");
}

TEST_F(History, DoesNotFollowAServerThatGoesInCircles) {
  vitals_.readings = [](const auto&, v1::ListReadingsResponse& response) {
    response.add_measurement_sets();
    response.set_next_page_token("again");
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"vitals", "history", "patients/7"}).code, 3);
}

}  // namespace
}  // namespace wardlink::command_line

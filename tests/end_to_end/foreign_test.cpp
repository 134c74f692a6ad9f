// Clients that others wrote, Debian's coap-client with GnuTLS and with OpenSSL, post readings and alarms over DTLS with
// a device's certificate, and hear what became of them. MSG-06, MSG-07, MSG-09, DTLS-13

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>

#include "coap/senml.hpp"
#include "places.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

const char* const kAlarm =
    R"([{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},{"n":"prio","v":3},{"n":"code","vs":"hr-high"},)"
    R"({"n":"lim","v":130},{"n":"hr","v":141}])";

/// The stack and one device's certificate are made once for all cases.
class Foreign : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    stack = new Stack;
    ASSERT_TRUE(connected(true));
  }
  static void TearDownTestSuite() {
    delete stack;
    stack = nullptr;
  }
  void SetUp() override {
    if (!std::filesystem::exists(std::string("/usr/bin/") + GetParam()))
      GTEST_SKIP() << GetParam() << " is not there: scripts/install-dependencies --with-tests brings it";
    label = std::string(GetParam()) + "-" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(label.begin(), label.end(), '/', '-');
    stack->make_pki("device", {label});
  }

  static bool connected(bool wanted) {
    return eventually([&] {
      return stack->metric("wardlink_ingest_sink_connected{stream=\"vitals\"}") == (wanted ? 2 : 0) &&
             stack->metric("wardlink_ingest_sink_connected{stream=\"alarms\"}") == (wanted ? 2 : 0);
    });
  }

  /// The client's command line up to the options of this request. At level 7 it prints each message.
  std::vector<std::string> client(const std::string& method) const {
    const auto identity = stack->pki() + "/devices/" + label;
    return {GetParam(),
            "-v",
            "7",
            "-B",
            "60",
            "-m",
            method,
            "-c",
            identity + ".pem",
            "-j",
            identity + ".key",
            "-R",
            stack->pki() + "/service-ca.pem"};
  }
  Process start(const std::string& method, const std::string& path, int format, const std::string& payload) {
    auto command = client(method);
    if (!payload.empty()) {
      const auto file = stack->path(label + ".payload");
      write_file(file, payload);
      command.insert(command.end(), {"-t", std::to_string(format), "-f", file});
    }
    command.push_back("coaps://localhost:" + std::to_string(stack->ingest_port()) + path);
    return Process(std::move(command), stack->path(label + ".log"));
  }
  /// The whole conversation as the client saw it.
  std::string post(const std::string& path, int format, const std::string& payload) {
    auto process = start("post", path, format, payload);
    process.wait();
    return process.log();
  }
  std::string post_json(const std::string& path, const std::string& json) { return post(path, 110, json); }

  /// Whether a message with that code is in what the client printed.
  static bool heard(const std::string& log, const std::string& code) {
    return log.find(" c:" + code + " ") != std::string::npos;
  }
  std::string device() const { return "devices/" + stack->urn(label); }

  static inline Stack* stack = nullptr;
  std::string label;
};

INSTANTIATE_TEST_SUITE_P(Clients, Foreign, ::testing::Values("coap-client-gnutls", "coap-client-openssl"),
                         [](const auto& client) { return std::string(client.param).substr(12); });

TEST_P(Foreign, PostsAReadingInJsonAndInCborAndItIsThere) {
  const std::string json = R"([{"n":"heart-rate","v":72}])";
  const auto log = post_json("/vitals", json);
  EXPECT_TRUE(heard(log, "2.04")) << log;
  const auto cbor = coap::senml::encode_cbor(*coap::senml::decode_json(R"([{"n":"oxygen-saturation","v":97.5}])"));
  EXPECT_TRUE(heard(post("/vitals", 112, {cbor.begin(), cbor.end()}), "2.04"));
  ASSERT_EQ(stack->readings(device()).size(), 2u);  // 2.04: committed
  EXPECT_GE(stack->metric("wardlink_ingest_posts_total{resource=\"vitals\",result=\"stored\"}"), 2);
  const auto printed =
      run({places::program("wardlink"), "vitals", "latest", stack->urn(label), "--json", "--server",
           "localhost:" + std::to_string(stack->storage_port()), "--cert", stack->pki() + "/clients/admin.pem", "--key",
           stack->pki() + "/clients/admin.key", "--ca", stack->pki() + "/service-ca.pem"});
  std::map<std::string, double> latest;
  const auto response = nlohmann::json::parse(printed);
  for (const auto& wearer : response.at("vitals"))
    for (const auto& sign : wearer.at("signs")) latest[sign.at("sign")] = sign.at("value");
  EXPECT_EQ(latest, (std::map<std::string, double>{{"hr", 72}, {"spo2", 97.5}})) << printed;
  EXPECT_EQ(stack->sql("SELECT count(*) FROM measurement_set m JOIN device d USING (device_id) WHERE stream = 3 AND "
                       "urn = '" +
                       stack->urn(label) + "' AND abs(extract(epoch FROM received_at - measured_at)) < 1"),
            "2");
}

TEST_P(Foreign, HearsWhatWasWrong) {
  const auto foreign = post_json("/vitals", R"([{"bn":"urn:dev:os:32473-0000000000000000:","n":"heart-rate","v":72}])");
  EXPECT_TRUE(heard(foreign, "4.03")) << foreign;
  const auto garbage = post_json("/vitals", "garbage");
  EXPECT_TRUE(heard(garbage, "4.00")) << garbage;
  EXPECT_NE(garbage.find("the payload is not JSON"), std::string::npos) << garbage;
  const auto unknown = post_json("/vitals", R"([{"n":"heart-rate","v":72},{"n":"mood","v":3}])");
  EXPECT_TRUE(heard(unknown, "4.00")) << unknown;
  EXPECT_NE(unknown.find("record 2, n: is not a sign of the catalogue"), std::string::npos) << unknown;
  EXPECT_TRUE(heard(post_json("/dreams", R"([{"n":"heart-rate","v":72}])"), "4.04"));
  EXPECT_TRUE(heard(post("/vitals", 0, "72"), "4.15"));
  EXPECT_TRUE(heard(post_json("/vitals", std::string(1500, ' ') + "[]"), "4.13"));  // the client sends it in blocks
  auto get = start("get", "/vitals", 0, "");
  get.wait();
  EXPECT_TRUE(heard(get.log(), "4.05")) << get.log();
  EXPECT_TRUE(stack->readings(device()).empty());
  EXPECT_TRUE(eventually([&] {
    return stack->sql(
               "SELECT count(*) FROM audit WHERE method = 'ingest.post' AND outcome = 'refused' AND reason = "
               "'foreign_name' AND subject = '" +
               stack->urn(label) + "'") == "1";
  }));
}

TEST_P(Foreign, FindsWhatThereIs) {
  auto get = start("get", "/.well-known/core", 0, "");
  get.wait();
  for (const char* path : {"</rd>", "</time>", "</vitals>", "</alarms>"})
    EXPECT_NE(get.log().find(path), std::string::npos) << get.log();
}

TEST_P(Foreign, IsToldThatStorageIsAway) {  // MSG-07
  stack->storage.signal(SIGTERM);
  stack->storage.wait();
  ASSERT_TRUE(connected(false));
  for (const auto& [path, json] :
       {std::pair{"/vitals", R"([{"n":"heart-rate","v":72}])"}, std::pair{"/alarms", kAlarm}}) {
    const auto log = post_json(path, json);
    EXPECT_TRUE(heard(log, "5.03")) << log;
    EXPECT_NE(log.find("Max-Age:10"), std::string::npos) << log;
  }
  stack->start_storage();
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(heard(post_json("/alarms", kAlarm), "2.04"));
  EXPECT_EQ(stack->alarms(device()).size(), 1u) << "what was put off was not taken";
}

// The 2.04 waits for the COMMIT, which this test holds back; an empty ACK goes first.
TEST_P(Foreign, AnAlarmIsDurableWhenItsAnswerArrives) {  // MSG-09, I1
  std::optional<pqxx::connection> connection(stack->database());
  std::optional<pqxx::work> lock(*connection);
  lock->exec("LOCK TABLE alarm_event IN SHARE ROW EXCLUSIVE MODE");
  auto process = start("post", "/alarms", 110, kAlarm);
  ASSERT_TRUE(eventually([&] { return heard(process.log(), "0.00"); })) << process.log();
  EXPECT_FALSE(heard(process.log(), "2.04")) << process.log();
  EXPECT_TRUE(stack->alarms(device()).empty());
  lock.reset();
  connection.reset();
  process.wait();
  EXPECT_TRUE(heard(process.log(), "2.04")) << process.log();
  const auto alarms = stack->alarms(device());
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].code(), "hr-high");
  EXPECT_EQ(alarms[0].value(), 141);
}

}  // namespace
}  // namespace wardlink::testing

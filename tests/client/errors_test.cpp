#include <future>

#include "places.hpp"
#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

class Errors : public ClientTest {
 protected:
  Answer latest_with_status(grpc::StatusCode code) {
    vitals_.latest = [code](const auto&, auto&) { return grpc::Status(code, "because"); };
    return ask({"vitals", "latest"});
  }
  Answer latest_with(const std::string& server, const std::string& identity, const std::string& authority) {
    vitals_.latest = [](const auto&, auto&) { return grpc::Status::OK; };
    return run_client({"vitals", "latest", "--server", server, "--cert", pki(identity + ".pem"), "--key",
                       pki(identity + ".key"), "--ca", authority});
  }
};

TEST_F(Errors, HaveACodeForTheShellAndTheServersReason) {
  const std::vector<std::pair<grpc::StatusCode, int>> expected{
      {grpc::StatusCode::NOT_FOUND, 1},         {grpc::StatusCode::INVALID_ARGUMENT, 3},
      {grpc::StatusCode::PERMISSION_DENIED, 3}, {grpc::StatusCode::FAILED_PRECONDITION, 3},
      {grpc::StatusCode::ALREADY_EXISTS, 3},    {grpc::StatusCode::UNAVAILABLE, 4}};
  for (const auto& [status, code] : expected) {
    const Answer answer = latest_with_status(status);
    EXPECT_EQ(answer.code, code) << status;
    EXPECT_THAT(answer.err, HasSubstr("because"));
    EXPECT_EQ(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
    EXPECT_EQ(answer.out, "");
  }
}

TEST_F(Errors, NobodyListens) {
  // A port that was just free on an address of loopback's that nobody uses.
  const Answer answer = latest_with("127.99.98.97:1", "clients/admin", pki("service-ca.pem"));
  EXPECT_EQ(answer.code, 4);
  EXPECT_THAT(answer.err, HasSubstr("Nobody answers at 127.99.98.97:1"));
}

TEST_F(Errors, TheServerIsOfAnotherAuthority) {
  const Answer answer = latest_with(address(), "clients/admin", pki("device-ca.pem"));
  EXPECT_EQ(answer.code, 4);
  EXPECT_THAT(answer.err, HasSubstr("TLS with it fails"));
}

TEST_F(Errors, TheServerDoesNotTrustTheCertificate) {
  ASSERT_EQ(
      std::system(("'" + places::source("certs/make-pki") + "' device '" + pki("") + "' bed-7 >/dev/null").c_str()), 0);
  const Answer answer = latest_with(address(), "devices/bed-7", pki("service-ca.pem"));
  EXPECT_EQ(answer.code, 4);
  EXPECT_THAT(answer.err, HasSubstr("TLS with it fails"));
}

TEST_F(Errors, NoAnswerInTime) {
  const auto answered = std::make_shared<std::promise<void>>();
  vitals_.latest = [heard = answered->get_future().share()](const auto&, auto&) {
    heard.wait();
    return grpc::Status::OK;
  };
  const Answer answer = ask({"vitals", "latest", "--timeout", "0.3"});
  answered->set_value();
  EXPECT_EQ(answer.code, 4);
  EXPECT_THAT(answer.err, HasSubstr("did not answer in time"));
}

TEST_F(Errors, FilesAreNamed) {
  const Answer missing = latest_with(address(), "clients/nobody", pki("service-ca.pem"));
  EXPECT_EQ(missing.code, 5);
  EXPECT_THAT(missing.err, HasSubstr("clients/nobody.pem cannot be read"));
  const Answer garbage = latest_with(address(), "clients/admin", scratch_.write("garbage", "hello"));
  EXPECT_EQ(garbage.code, 5);
  EXPECT_THAT(garbage.err, HasSubstr("is not a PEM file"));
}

TEST_F(Errors, TheEnvironmentIsTheDefault) {
  const Answer without = run_client({"vitals", "latest"});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.err, HasSubstr("--cert FILE or set WARDLINK_CERT"));
  ::setenv("WARDLINK_SERVER", address().c_str(), 1);
  ::setenv("WARDLINK_CERT", pki("clients/admin.pem").c_str(), 1);
  ::setenv("WARDLINK_KEY", pki("clients/admin.key").c_str(), 1);
  ::setenv("WARDLINK_CA", pki("service-ca.pem").c_str(), 1);
  devices_.list = [](const auto&, v1::ListDevicesResponse& response) {
    response.add_devices()->set_name("devices/urn:x");
    return grpc::Status::OK;
  };
  EXPECT_EQ(run_client({"devices", "list"}).code, 0);
}

TEST(CommandLine, ThatMakesNoSense) {
  EXPECT_EQ(run_client({}).code, 2);
  EXPECT_EQ(run_client({"vitals"}).code, 2);
  EXPECT_EQ(run_client({"vitals", "history"}).code, 2);
  EXPECT_EQ(run_client({"vitals", "latest", "--nonsense"}).code, 2);
}

TEST(CommandLine, ThatAsksForHelp) {
  const Answer help = run_client({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Exit codes: 0 done;"));
  EXPECT_EQ(run_client({"--version"}).code, 0);
}

}  // namespace
}  // namespace wardlink::command_line

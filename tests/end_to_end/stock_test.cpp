// A stock gRPC client, with no generated code of ours, lists the vitals and follows Watch through reflection alone; and
// reflection, too, is for those with a certificate. GRPC-01

#include <gtest/gtest.h>

#include "places.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

TEST(StockClient, ListsVitalsAndFollowsThem) {
  const std::string python = "/usr/bin/python3";  // Debian's, which has Debian's grpcio
  const std::string script = places::source("tests/end_to_end/stock_client.py");
  try {
    run({python, "-c", "import grpc, google.protobuf"});
  } catch (const std::exception&) {
    GTEST_SKIP() << "python3-grpcio is not installed: see scripts/install-dependencies --with-tests";
  }
  Stack stack;
  stack.make_pki("devices", {"2"});
  auto ward = stack.ward({"--devices", "2"});
  ASSERT_TRUE(eventually([&] { return stack.sql("SELECT count(DISTINCT device_id) FROM latest") == "2"; }));
  const auto server = "localhost:" + std::to_string(stack.storage_port());
  const auto authority = stack.pki() + "/service-ca.pem";
  const auto said = run(
      {python, script, server, authority, stack.pki() + "/clients/admin.pem", stack.pki() + "/clients/admin.key", "6"});
  std::cout << said;
  EXPECT_NE(said.find("wardlink.v1.VitalsService"), std::string::npos);
  EXPECT_NE(said.find("grpc.reflection.v1alpha.ServerReflection"), std::string::npos);
  for (const auto* label : {"device-0001", "device-0002"}) {
    EXPECT_NE(said.find("vitals: devices/" + stack.urn(label)), std::string::npos);
    EXPECT_NE(said.find("watched: devices/" + stack.urn(label)), std::string::npos);
  }
  Process stranger({python, script, server, authority, "1"}, stack.path("stranger.log"));
  EXPECT_EQ(stranger.wait(), 3) << stranger.log();
  EXPECT_EQ(stranger.log().find("services:"), std::string::npos);
}

}  // namespace
}  // namespace wardlink::testing

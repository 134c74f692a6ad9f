// SIGHUP: certificates and both authorities are replaced while the services run. Who is connected stays connected; who
// connects afterwards meets the new ones; and files that cannot be used change nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "places.hpp"
#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

using coap::CloseReason;
using coap::Type;
using ::testing::HasSubstr;

const std::string kRead = "certificates were read again: ";
const std::string kRefused = "certificates were read again and cannot be used, the old ones stay: ";

std::size_t times(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() {
    stack.make_pki("device", {"old"});
    stack.make_pki("device", {"old-too"});
    urn_ = stack.urn("old");
    old_device_ = stack.credentials("devices/old");
    old_device_too_ = stack.credentials("devices/old-too");
    old_admin_ = stack.credentials("clients/admin");
  }

  /// Other authorities and all that they sign, under the names that the services know.
  void rotate() {
    const auto fresh = stack.path("fresh");
    run({places::source("certs/make-pki"), "init", fresh});
    run({places::source("certs/make-pki"), "device", fresh, "new"});
    std::filesystem::copy(fresh, stack.pki(),
                          std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  }

  /// Tells a daemon to read its files, and waits until it says what came of it.
  static void reload(const Process& daemon, const std::string& sentence) {
    const auto before = times(daemon.log(), sentence);
    daemon.signal(SIGHUP);
    ASSERT_TRUE(eventually([&] { return times(daemon.log(), sentence) == before + 1; })) << daemon.log();
  }

  /// Another reading of the device whose session has stood since before; true when it is stored.
  bool is_heard(RawDevice& device) {
    ++sequence_;
    device.send(device.notification(Type::non, device.vitals,
                                    R"([{"n":"q","v":)" + std::to_string(sequence_) + R"(},{"n":"tk","v":)" +
                                        std::to_string(sequence_ * 1000) + R"(},{"n":"hr","v":72}])"));
    return eventually([&] { return stack.sql("SELECT count(*) FROM measurement_set") == std::to_string(sequence_); });
  }

  /// What storage says to a client that connects now.
  grpc::StatusCode ask_as(const coap::Credentials& credentials) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{60});
    v1::GetLatestResponse response;
    return v1::VitalsService::NewStub(stack.connect(credentials))->GetLatest(&context, {}, &response).error_code();
  }

  bool gets_in(const coap::Credentials& credentials) const {
    return RawDevice(stack.ingest_port(), credentials).handshake();
  }

  Stack stack;
  std::string urn_;
  coap::Credentials old_device_, old_device_too_, old_admin_;

 private:
  int sequence_ = 0;
};

TEST_F(ReloadTest, NewAuthoritiesAreMetWithoutLosingASession) {
  RawDevice device(stack.ingest_port(), old_device_);
  ASSERT_TRUE(device.handshake());
  ASSERT_TRUE(device.register_as(urn_, 7));
  ASSERT_TRUE(is_heard(device));
  ASSERT_EQ(stack.ask(), grpc::StatusCode::OK);  // connected from here on
  ASSERT_TRUE(eventually([&] { return stack.metric_sum("wardlink_ingest_sink_connected") == 4; }));
  const auto streams = stack.metric_sum("wardlink_ingest_sink_streams_total");

  rotate();
  reload(stack.storage, kRead);
  reload(stack.api, kRead);
  reload(stack.ingest, kRead);

  EXPECT_TRUE(is_heard(device)) << "the device's session is gone, or ingest's stream to storage";
  EXPECT_EQ(stack.ask(), grpc::StatusCode::OK) << "a client's connection is gone";
  EXPECT_EQ(stack.metric_sum("wardlink_ingest_sink_streams_total"), streams);

  EXPECT_TRUE(gets_in(stack.credentials("devices/new")));
  auto trusting = old_device_too_;  // knows the new service authority, but is of the old device authority
  trusting.trusted_ca_pem = read_file(stack.pki() + "/service-ca.pem");
  EXPECT_FALSE(gets_in(trusting));
  EXPECT_FALSE(gets_in(old_device_too_)) << "ingest shows the old certificate";

  EXPECT_EQ(ask_as(stack.credentials("clients/admin")), grpc::StatusCode::OK);
  EXPECT_EQ(ask_as(old_admin_), grpc::StatusCode::UNAVAILABLE);
  auto stranger = old_admin_;
  stranger.trusted_ca_pem = read_file(stack.pki() + "/service-ca.pem");
  EXPECT_EQ(ask_as(stranger), grpc::StatusCode::UNAVAILABLE) << "a client of the former authority is let in";

  // Ingest's next connection shows its new certificate.
  stack.storage.signal(SIGTERM);
  EXPECT_EQ(stack.storage.wait(), 0) << stack.storage.log();
  stack.start_storage();
  EXPECT_TRUE(is_heard(device)) << stack.ingest.log();
}

TEST_F(ReloadTest, WhatWaitsForStorageUsesTheNewCertificate) {
  // Storage is known by an authority that ingest does not trust yet: ingest keeps trying until it is told to read.
  RawDevice device(stack.ingest_port(), old_device_);
  ASSERT_TRUE(device.handshake());
  ASSERT_TRUE(device.register_as(urn_, 7));
  ASSERT_TRUE(is_heard(device));
  rotate();
  stack.storage.signal(SIGTERM);
  EXPECT_EQ(stack.storage.wait(), 0);
  stack.start_storage();
  reload(stack.ingest, kRead);
  EXPECT_TRUE(is_heard(device)) << stack.ingest.log();
}

TEST_F(ReloadTest, FilesThatCannotBeUsedChangeNothing) {
  const auto key = read_file(stack.pki() + "/ingest.key");
  write_file(stack.pki() + "/ingest.key", read_file(stack.pki() + "/storage.key"));
  reload(stack.ingest, kRefused + stack.pki() + "/ingest.key (--key) is not the private key of the certificate");
  write_file(stack.pki() + "/ingest.key", key);
  write_file(stack.pki() + "/device-ca.pem", "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n");
  reload(stack.ingest, kRefused);
  EXPECT_TRUE(gets_in(old_device_));

  write_file(stack.pki() + "/service-ca.pem", "not a certificate");
  reload(stack.storage, kRefused + stack.pki() + "/service-ca.pem (--ca) is not a PEM file");
  std::filesystem::remove(stack.pki() + "/storage.pem");
  reload(stack.storage, kRefused + "Cannot read " + stack.pki() + "/storage.pem (--cert): No such file or directory.");
  reload(stack.api, kRefused + "Cannot read " + stack.pki() + "/storage.pem (--cert): No such file or directory.");
  EXPECT_EQ(ask_as(old_admin_), grpc::StatusCode::OK);
}

}  // namespace
}  // namespace wardlink::testing

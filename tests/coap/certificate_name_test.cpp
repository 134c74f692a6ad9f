// Whom a device's certificate names, at the DTLS port and in the device's own check. ISO-2, DTLS-13

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dtls_peers.hpp"
#include "foreign_client.hpp"
#include "names/bad_names.hpp"

namespace coap::testing {
namespace {

using wardlink::testing::bad_names;
using wardlink::testing::BadName;

class BadNameTest : public ::testing::TestWithParam<BadName> {};

TEST_P(BadNameTest, IsRefusedAtTheDtlsPort) {  // ISO-2, DTLS-14
  Server server(server_context());
  ForeignClient client(
      {.pair = Authorities::get().devices.issue(CertificateSpec::named(GetParam().uris)), .chain = {}});
  carry(client, server);
  ASSERT_TRUE(server.channel);
  EXPECT_STREQ(to_string(server.reason()), "bad_identity");
  EXPECT_EQ(server.channel->peer().uri, "");
  EXPECT_FALSE(client.open());
}

TEST_P(BadNameTest, NamesNobodyToTheDeviceItself) {  // ISO-2
  const auto pair = Authorities::get().devices.issue(CertificateSpec::named(GetParam().uris));
  const auto identity = certificate_identity(pair.certificate_pem);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->uri, "");
}

INSTANTIATE_TEST_SUITE_P(Names, BadNameTest, ::testing::ValuesIn(bad_names("urn:dev:os:32473-", "urn:dev:os:32473-a")),
                         [](const auto& chosen) { return std::string(chosen.param.label); });

TEST(CertificateName, IsTheOneSpellingOfTheUrn) {  // ISO-2; RFC 8141 §3.1
  Server server(server_context());
  Client client(client_context(CertificateSpec::named({"URN:Dev:os:32473-Ab"})));
  carry(client, server);
  ASSERT_TRUE(server.open());
  EXPECT_EQ(server.channel->peer().uri, "urn:dev:os:32473-Ab");
}

TEST(CertificateName, MayHaveEveryCharacterThatIsLetIn) {  // ISO-2
  const std::string name = "urn:dev:os:32473-A.b_c~d!$&'()*+,;=:@";
  Server server(server_context());
  Client client(client_context(CertificateSpec::named({name})));
  carry(client, server);
  ASSERT_TRUE(server.open());
  EXPECT_EQ(server.channel->peer().uri, name);
}

}  // namespace
}  // namespace coap::testing

// Whom a certificate names to the API, and which names ingest's stream takes. ISO-2; 45 CFR 164.312(d)

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../coap/test_authority.hpp"
#include "names/bad_names.hpp"
#include "service.hpp"

namespace wardlink::storage {
namespace {

using coap::testing::CertificateSpec;
using coap::testing::TestAuthority;
using grpc::StatusCode;
using wardlink::testing::bad_names;

constexpr const char* nurse = "urn:wardlink:client:nurse";
constexpr const char* device = "urn:dev:os:32473-a";

const TestAuthority& people() {
  static const TestAuthority authority("people");
  return authority;
}

class CertificateNameTest : public ::testing::Test {
 protected:
  void SetUp() override {
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""}, {nurse, "clinician", ""}});
  }

  grpc::Status latest(const CertificateSpec& spec) {
    const auto pair = people().issue(spec);
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = test::pki().pem("service-ca.pem");
    options.pem_cert_chain = pair.certificate_pem;
    options.pem_private_key = pair.private_key_pem;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::VitalsService::NewStub(grpc::CreateCustomChannel(
        "localhost:" + std::to_string(service.server.port()), grpc::SslCredentials(options), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::GetLatestResponse response;
    return stub->GetLatest(&context, {}, &response);
  }

  test::ScratchDatabase database;
  test::Service service{database.connection(),
                        [](Server::Config& config) { config.credentials.authority += people().certificate_pem(); }};
};

TEST_F(CertificateNameTest, IsTheSubjectInItsOneSpelling) {  // ISO-2; RFC 8141 §3.1
  EXPECT_TRUE(latest(CertificateSpec::named({nurse})).ok());
  EXPECT_TRUE(latest(CertificateSpec::named({"URN:WardLink:client:nurse"})).ok());
  EXPECT_EQ(latest(CertificateSpec::named({"urn:wardlink:client:Nurse"})).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(latest(CertificateSpec::named({"urn:dev:os:32473-a"})).error_code(), StatusCode::PERMISSION_DENIED);
}

TEST_F(CertificateNameTest, ThatIsNoneHasNobodysGrants) {  // ISO-2
  const auto names = bad_names("urn:wardlink:client:", nurse);
  for (const auto& [label, uris] : names)
    EXPECT_EQ(latest(CertificateSpec::named(uris)).error_code(), StatusCode::PERMISSION_DENIED) << label;
  EXPECT_EQ(database.ask("SELECT DISTINCT outcome || ' ' || subject || ' ' || count(*) OVER () FROM audit"
                         " WHERE method LIKE 'Vitals%'"),
            "refused unknown " + std::to_string(names.size()));
}

TEST_F(CertificateNameTest, IsNoNameOfADeviceEither) {  // ISO-2
  test::IngestTalk talk(service.channel("ingest-client"));
  for (const auto& [label, uris] : bad_names("urn:dev:os:32473-", device)) {
    if (uris.size() > 1 || label == std::string_view("Latin1")) continue;  // protobuf carries UTF-8 only
    EXPECT_THAT(talk.attach(1, uris.front(), 7, 1'700'000'000).refusal(), ::testing::HasSubstr("device")) << label;
  }
  EXPECT_THAT(talk.attach(1, "URN:dev:os:32473-a", 7, 1'700'000'000).refusal(), ::testing::HasSubstr("device"));
  EXPECT_EQ(talk.attach(1, device, 7, 1'700'000'000).refusal(), "");
  EXPECT_EQ(database.ask("SELECT string_agg(urn, ',') FROM device"), device);
}

}  // namespace
}  // namespace wardlink::storage

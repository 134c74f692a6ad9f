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
using wardlink::testing::BadName;

constexpr const char* nurse = "urn:wardlink:client:nurse";

const TestAuthority& people() {
  static const TestAuthority authority("people");
  return authority;
}

class CertificateNameTest : public ::testing::TestWithParam<BadName> {
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
  test::Service service{database.connection(), [](Server::Config& config) {
                          config.credentials.authority += people().certificate_pem();
                        }};
};

TEST_F(CertificateNameTest, IsTheSubjectInItsOneSpelling) {  // ISO-2; RFC 8141 §3.1
  EXPECT_TRUE(latest(CertificateSpec::named({nurse})).ok());
  EXPECT_TRUE(latest(CertificateSpec::named({"URN:WardLink:client:nurse"})).ok());
  EXPECT_EQ(latest(CertificateSpec::named({"urn:wardlink:client:Nurse"})).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(latest(CertificateSpec::named({"urn:dev:os:32473-a"})).error_code(), StatusCode::PERMISSION_DENIED);
}

TEST_P(CertificateNameTest, ThatIsNoneHasNobodysGrants) {  // ISO-2
  EXPECT_EQ(latest(CertificateSpec::named(GetParam().uris)).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(database.ask("SELECT string_agg(outcome || ' ' || subject, ',') FROM audit"), "refused unknown");
}

/// A name of two URIs is a certificate's fault, not a device's name.
TEST_P(CertificateNameTest, IsNoNameOfADeviceEither) {  // ISO-2
  test::IngestTalk talk(service.channel("ingest-client"));
  std::string name = GetParam().uris.front();
  if (GetParam().uris.size() > 1) name += "," + GetParam().uris.back() + "/";
  v1::IngestRequest request;
  if (name.find('\xe9') == std::string::npos) {  // protobuf carries UTF-8 only: this one cannot even be said
    EXPECT_THAT(talk.attach(1, name, 7, 1'700'000'000).refusal(), ::testing::HasSubstr("device"));
  }
  EXPECT_EQ(talk.attach(1, "urn:dev:os:32473-a", 7, 1'700'000'000).refusal(), "");
  EXPECT_EQ(database.ask("SELECT string_agg(urn, ',') FROM device"), "urn:dev:os:32473-a");
}

INSTANTIATE_TEST_SUITE_P(Names, CertificateNameTest, ::testing::ValuesIn(bad_names("urn:wardlink:client:", nurse)),
                         [](const auto& chosen) { return std::string(chosen.param.label); });

}  // namespace
}  // namespace wardlink::storage

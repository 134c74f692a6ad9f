// The one judgment of names. ISO-2

#include "names/urn.hpp"

#include <gtest/gtest.h>

#include "names/bad_names.hpp"

namespace names {
namespace {

TEST(Urn, IsLetInAsItStands) {  // ISO-2
  for (const std::string urn : {"urn:dev:os:32473-0123456789abcdef", "urn:wardlink:client:nora", "urn:ab:c",
                                "urn:dev:os:32473-A.b_c~d!$&'()*+,;=:@", "urn:a-1:x"})
    EXPECT_EQ(canonical_urn(urn), urn);
  EXPECT_TRUE(canonical_urn("urn:dev:" + std::string(55, 'a')));
}

TEST(Urn, HasOneSpelling) {  // ISO-2; RFC 8141 §3.1: the case of the scheme and of the namespace means nothing
  EXPECT_EQ(canonical_urn("URN:DEV:os:32473-a"), "urn:dev:os:32473-a");
  EXPECT_EQ(canonical_urn("Urn:WardLink:client:Nora"), "urn:wardlink:client:Nora");
  EXPECT_NE(canonical_urn("urn:dev:os:32473-A"), canonical_urn("urn:dev:os:32473-a"));
  EXPECT_EQ(canonical_urn("urn:dev:OS:1"), "urn:dev:OS:1");
}

TEST(Urn, IsRefused) {  // ISO-2
  for (const std::string text : {"", "urn", "urn:", "urn:dev", "urn:dev:", "urn::a", "urn:d:a", "urn:-a:b", "urn:a-:b",
                                 "urn:d_v:a", "uri:dev:a", " urn:dev:a"})
    EXPECT_FALSE(canonical_urn(text)) << text;
  EXPECT_FALSE(canonical_urn("urn:" + std::string(33, 'a') + ":b"));
  EXPECT_FALSE(canonical_urn("urn:dev:" + std::string(56, 'a')));
}

TEST(Urn, ACertificateNamesOneOrNobody) {  // ISO-2
  const std::string good = "urn:dev:os:32473-a";
  EXPECT_EQ(name_among(std::vector{good}, "urn:dev:"), good);
  EXPECT_EQ(name_among(std::vector<std::string>{"URN:dev:os:32473-a"}, "urn:dev:"), good);
  EXPECT_FALSE(name_among(std::vector{good}, "urn:wardlink:"));
  EXPECT_FALSE(name_among(std::vector<std::string>{"urn:dev:"}, "urn:dev:"));
  EXPECT_FALSE(name_among({}, "urn:dev:"));
  for (const auto& [label, uris] : wardlink::testing::bad_names("urn:dev:os:32473-", good))
    EXPECT_FALSE(name_among(uris, "urn:dev:")) << label;
}

}  // namespace
}  // namespace names

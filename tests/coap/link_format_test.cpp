// CoRE link format (RFC 6690 §2).

#include "coap/link_format.hpp"

#include <gtest/gtest.h>

namespace {

using coap::decode_links;
using coap::encode_links;
using coap::Link;

const std::string kRegistration =
    R"(</vitals>;obs;rt="wardlink.vitals";ct=112,</alarms>;obs;rt="wardlink.alarms";ct=112)";

TEST(Links, AreRead) {
  const auto links = decode_links(kRegistration);
  ASSERT_TRUE(links);
  ASSERT_EQ(links->size(), 2u);
  const Link& vitals = links->front();
  EXPECT_EQ(vitals.target, "/vitals");
  EXPECT_TRUE(vitals.has("obs"));
  EXPECT_EQ(vitals.value("obs"), std::nullopt);
  EXPECT_EQ(vitals.value("rt"), "wardlink.vitals");
  EXPECT_EQ(vitals.value("ct"), "112");
  EXPECT_FALSE(vitals.has("if"));
  EXPECT_EQ(links->back().target, "/alarms");
}

TEST(Links, AreWrittenAsTheyWereRead) { EXPECT_EQ(encode_links(*decode_links(kRegistration)), kRegistration); }

// RFC 6690 §5.
TEST(Links, ReadTheRfcsExamples) {
  const auto links =
      decode_links(R"(</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c";if="sensor",)"
                   R"(<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",)"
                   R"(</t>;anchor="/sensors/temp";rel="alternate")");
  ASSERT_TRUE(links);
  ASSERT_EQ(links->size(), 4u);
  EXPECT_EQ((*links)[0].value("title"), "Sensor Index");
  EXPECT_EQ((*links)[2].target, "http://www.example.com/sensors/t123");
  EXPECT_EQ((*links)[3].value("rel"), "alternate");
}

TEST(Links, KeepWhatIsQuoted) {
  const Link link{"/a", {{"title", R"(say "hi", then \ <b>; x=1)"}, {"n", ""}, {"sz", "12"}, {"obs", std::nullopt}}};
  const std::string text = encode_links({link});
  EXPECT_EQ(text, R"(</a>;title="say \"hi\", then \\ <b>; x=1";n="";sz=12;obs)");
  const auto back = decode_links(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, std::vector{link});
}

TEST(Links, TakeBareTokens) {
  const auto links = decode_links("</a>;rt=temp-c;x=a=b<c>");
  ASSERT_TRUE(links);
  EXPECT_EQ((*links)[0].value("rt"), "temp-c");
  EXPECT_EQ((*links)[0].value("x"), "a=b<c>");
}

TEST(Links, NoneIsNone) {
  const auto links = decode_links("");
  ASSERT_TRUE(links);
  EXPECT_TRUE(links->empty());
  EXPECT_EQ(encode_links({}), "");
}

TEST(Links, RefuseWhatIsNotLinkFormat) {
  for (const char* text :
       {"/vitals",           "<",       "</a",        "</a>,",       ",</a>",         "</a>;",
        "</a>;;obs",         "</a>;=1", "</a>;rt=",   "</a>;rt=\"x", "</a>;rt=\"x\\", "</a>x",
        "</a>;rt=\"x\"y",    "</a> ",   "</a>, </b>", "</a>;rt=a b", "</a\n>",        "</a>;t=\"a\nb\"",
        "</a>;t=\"a\\\nb\"", "<a b>"})
    EXPECT_FALSE(decode_links(text)) << text;
}

TEST(Links, AreBounded) {
  std::string links = "</a>";
  for (int i = 1; i < 64; ++i) links += ",</a>";
  EXPECT_TRUE(decode_links(links));
  EXPECT_FALSE(decode_links(links + ",</a>"));
  std::string attributes = "</a>";
  for (int i = 0; i < 16; ++i) attributes += ";x";
  EXPECT_TRUE(decode_links(attributes));
  EXPECT_FALSE(decode_links(attributes + ";x"));
}

TEST(Links, SurviveEveryTruncationAndFlippedBit) {
  for (std::size_t size = 0; size <= kRegistration.size(); ++size) {
    const auto links = decode_links(std::string(kRegistration, 0, size));
    if (links) {
      EXPECT_EQ(decode_links(encode_links(*links)), links);
    }
  }
  std::string text = kRegistration;
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    const auto links = decode_links(text);
    if (links) {
      EXPECT_EQ(decode_links(encode_links(*links)), links);
    }
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  }
}

}  // namespace

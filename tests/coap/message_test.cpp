// RFC 7252 §3: every field, every format error, nothing read that is not there. COAP-01, COAP-03, CONF-3, MSG-08.

#include "coap/message.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "coap/secure_channel.hpp"
#include "hex.hpp"

namespace {

using namespace coap;
using coap::test::hex;
using Reason = FormatError::Reason;

/// A copy at the very end of its own allocation, so that a sanitizer sees a read beyond it.
Result<Message, FormatError> decode_exactly(ByteView bytes) {
  const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return decode(ByteView(copy.get(), bytes.size()));
}

Message notification() {
  Message m;
  m.type = Type::non;
  m.code = code::content;
  m.id = 0x3a04;
  m.token = Token(hex("5e0b7a34"));
  m.options.add_uint(OptionNumber::observe, 300);
  m.options.add_uint(OptionNumber::content_format, content_format::senml_cbor);
  m.payload = hex("80");
  return m;
}

TEST(Decode, ReadsEveryField) {
  const auto m = decode_exactly(hex("54 45 3a 04 5e 0b 7a 34 62 01 2c 61 70 ff 80"));
  ASSERT_TRUE(m);
  EXPECT_EQ(*m, notification());
}

TEST(Encode, WritesEveryField) {
  EXPECT_EQ(encode(notification()), hex("54 45 3a 04 5e 0b 7a 34 62 01 2c 61 70 ff 80"));
}

TEST(Decode, ReadsAllFourTypes) {
  const std::pair<const char*, Type> types[] = {
      {"40 00 00 01", Type::con}, {"50 45 00 01", Type::non}, {"60 00 00 01", Type::ack}, {"70 00 00 01", Type::rst}};
  for (const auto& [bytes, type] : types) {
    const auto m = decode_exactly(hex(bytes));
    ASSERT_TRUE(m) << bytes;
    EXPECT_EQ(m->type, type);
    EXPECT_EQ(m->id, 1);
    EXPECT_EQ(encode(*m), hex(bytes));
  }
}

TEST(Decode, TakesTokensOfUpToEightBytes) {
  for (std::uint8_t size = 0; size <= 8; ++size) {
    Bytes bytes = hex("40 01 00 07");
    bytes[0] = static_cast<std::uint8_t>(0x40 | size);
    for (std::uint8_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(0xa0 + i));
    const auto m = decode_exactly(bytes);
    ASSERT_TRUE(m) << int{size};
    EXPECT_EQ(m->token.size(), size);
    EXPECT_EQ(encode(*m), bytes);
  }
}

struct Malformed {
  const char* bytes;
  Reason reason;
  const char* why;
};

// What a Confirmable message is rejected for: with a Reset (§4.2).
const Malformed kMalformed[] = {
    {"42 01 12 34", Reason::too_short, "token missing"},
    {"44 01 12 34 aa bb cc", Reason::too_short, "token cut off"},
    {"49 01 12 34 00 00 00 00 00 00 00 00 00", Reason::bad_token_length, "TKL 9"},
    {"4f 01 12 34 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", Reason::bad_token_length, "TKL 15"},
    {"4f 00 12 34", Reason::bad_token_length, "TKL 15 of an empty message"},
    {"41 00 12 34 aa", Reason::bad_empty, "empty with a token"},
    {"40 00 12 34 00", Reason::bad_empty, "empty with an option"},
    {"40 00 12 34 ff", Reason::bad_empty, "empty with a marker"},
    {"40 20 12 34", Reason::reserved_code, "1.00"},
    {"40 3f 12 34", Reason::reserved_code, "1.31"},
    {"40 c0 12 34", Reason::reserved_code, "6.00"},
    {"40 e1 12 34", Reason::reserved_code, "7.01"},
    {"40 01 12 34 f0", Reason::bad_option, "delta 15"},
    {"40 01 12 34 0f", Reason::bad_option, "length 15"},
    {"40 01 12 34 f1 00", Reason::bad_option, "delta 15 with a value"},
    {"40 01 12 34 d0", Reason::bad_option, "extended delta missing"},
    {"40 01 12 34 e0 00", Reason::bad_option, "extended delta cut off"},
    {"40 01 12 34 0d", Reason::bad_option, "extended length missing"},
    {"40 01 12 34 0e 00", Reason::bad_option, "extended length cut off"},
    {"40 01 12 34 b4 74 69 6d", Reason::bad_option, "value cut off"},
    {"40 01 12 34 0d 00 41 41 41 41", Reason::bad_option, "value of 13 cut off"},
    {"40 01 12 34 0e ff ff 41", Reason::bad_option, "value of 65,804 cut off"},
    {"40 01 12 34 e0 ff ff", Reason::bad_option, "number beyond 65,535 at once"},
    {"40 01 12 34 e0 fe f2 10", Reason::bad_option, "number beyond 65,535 by a step"},
    {"40 01 12 34 ff", Reason::empty_payload, "marker and nothing"},
    {"44 45 12 34 01 02 03 04 61 05 ff", Reason::empty_payload, "marker and nothing after an option"},
};

TEST(Decode, RejectsMalformedConWithItsId) {
  for (const Malformed& bad : kMalformed) {
    const auto m = decode_exactly(hex(bad.bytes));
    ASSERT_FALSE(m) << bad.why;
    EXPECT_EQ(m.error().reason, bad.reason) << bad.why;
    EXPECT_EQ(m.error().reset_id, 0x1234) << bad.why;
  }
}

// §4.2: ACK and RST; §4.3: NON. Ignored in silence.
TEST(Decode, GivesNoIdToResetForTheOtherTypes) {
  for (const Malformed& bad : kMalformed) {
    for (const int type : {1, 2, 3}) {
      Bytes bytes = hex(bad.bytes);
      bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0xcf) | type << 4);
      const auto m = decode_exactly(bytes);
      ASSERT_FALSE(m) << bad.why;
      EXPECT_EQ(m.error().reason, bad.reason) << bad.why;
      EXPECT_EQ(m.error().reset_id, std::nullopt) << bad.why;
    }
  }
}

TEST(Decode, IgnoresWhatHasNoHeader) {
  for (const char* bytes : {"", "40", "40 01", "40 01 12"}) {
    const auto m = decode_exactly(hex(bytes));
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().reason, Reason::too_short);
    EXPECT_EQ(m.error().reset_id, std::nullopt);
  }
}

TEST(Decode, IgnoresOtherVersionsInSilence) {
  for (const char* bytes : {"00 01 12 34", "80 01 12 34", "c0 01 12 34", "8f 01 12 34 ff"}) {
    const auto m = decode_exactly(hex(bytes));
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().reason, Reason::bad_version) << bytes;
    EXPECT_EQ(m.error().reset_id, std::nullopt) << bytes;
  }
}

TEST(Decode, TakesFifteenHundredBytesAndNoMore) {
  Bytes bytes = hex("40 02 12 34 ff");
  bytes.resize(1500, 0x20);
  ASSERT_TRUE(decode_exactly(bytes));
  bytes.push_back(0x20);
  const auto m = decode_exactly(bytes);
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().reason, Reason::oversized);
  EXPECT_EQ(m.error().reset_id, 0x1234);
}

TEST(Options, LengthsCrossTheirExtendedForms) {
  for (const std::size_t length : {0u, 1u, 12u, 13u, 14u, 255u, 268u, 269u, 270u, 1034u}) {
    Message m;
    m.code = code::get;
    m.options.add(OptionNumber::proxy_uri, Bytes(length, 'x'));
    const auto back = decode_exactly(encode(m));
    ASSERT_TRUE(back) << length;
    EXPECT_EQ(*back, m) << length;
  }
}

TEST(Options, NumbersCrossTheirExtendedForms) {
  for (const std::uint32_t number : {0u, 1u, 12u, 13u, 268u, 269u, 1000u, 65000u, 65535u}) {
    Message m;
    m.code = code::get;
    m.options.add(static_cast<OptionNumber>(number), hex("01"));
    if (number == 12) m.options.add(static_cast<OptionNumber>(12 + 269), hex("02"));
    const auto back = decode_exactly(encode(m));
    ASSERT_TRUE(back) << number;
    EXPECT_EQ(*back, m) << number;
  }
}

// §3.1: 13 is one byte with 13 taken off, 14 two bytes with 269 taken off.
TEST(Options, ExtendedFormsAreTheRfcs) {
  Message m;
  m.code = code::get;
  m.options.add(OptionNumber::echo, Bytes(13, 0xee));                     // delta 252 = 13 + 239
  m.options.add(static_cast<OptionNumber>(252 + 269), Bytes(269, 0xdd));  // both in two bytes
  const Bytes bytes = encode(m);
  EXPECT_EQ(ByteView(bytes)[4], 0xdd);
  EXPECT_EQ(bytes[5], 239);
  EXPECT_EQ(bytes[6], 0);
  EXPECT_EQ(Bytes(bytes.begin() + 20, bytes.begin() + 25), hex("ee 00 00 00 00"));
}

TEST(Decode, DropsElectiveOptionsOfAWrongLength) {
  const auto m = decode_exactly(hex("40 45 00 01 40 24 01 02 03 04 63 01 02 03 ff 01"));  // ETag 0, Observe 4, CF 3
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->options.all().empty());
  EXPECT_EQ(m->payload, hex("01"));
}

TEST(Decode, CountsDeltasOverDroppedOptions) {
  const auto m = decode_exactly(hex("40 01 00 01 64 01 02 03 04 51 61"));  // Observe of 4 bytes, then Uri-Path
  ASSERT_TRUE(m);
  EXPECT_EQ(uri_path(m->options), "/a");
  EXPECT_EQ(m->options.all().size(), 1u);
}

TEST(Decode, KeepsCriticalOptionsOfAWrongLength) {
  const auto m = decode_exactly(hex("40 01 00 01 73 01 02 03"));  // Uri-Port of 3 bytes
  ASSERT_TRUE(m);
  EXPECT_EQ(m->options.all().size(), 1u);
  EXPECT_EQ(critical_fault(m->options), OptionNumber::uri_port);
}

TEST(Decode, KeepsUnknownElectiveOptions) {
  const auto m = decode_exactly(hex("40 01 00 01 e1 03 e8 07"));  // 1269 = 0x03e8 + 269, odd: critical
  ASSERT_TRUE(m);
  EXPECT_EQ(critical_fault(m->options), static_cast<OptionNumber>(1269));
  const auto even = decode_exactly(hex("40 01 00 01 e1 03 e7 07"));
  ASSERT_TRUE(even);
  EXPECT_EQ(even->options.all().size(), 1u);
  EXPECT_EQ(critical_fault(even->options), std::nullopt);
}

TEST(Codes, HaveTheirClasses) {
  EXPECT_EQ(to_string(code::content), "2.05");
  EXPECT_EQ(to_string(code::too_many_requests), "4.29");
  EXPECT_EQ(to_string(code::empty), "0.00");
  EXPECT_TRUE(code::get.is_request());
  EXPECT_FALSE(code::empty.is_request());
  EXPECT_TRUE(code::forbidden.is_response());
  EXPECT_FALSE(code::get.is_response());
  EXPECT_TRUE(code::created.is_success());
}

TEST(Uri, PathsGoThereAndBack) {
  const std::pair<const char*, std::size_t> paths[] = {{"/", 0}, {"/rd", 1}, {"/a/b", 2}, {"/a//b", 3}, {"/a/", 2}};
  for (const auto& [path, segments] : paths) {
    Options options;
    add_uri(options, path, {});
    EXPECT_EQ(options.strings(OptionNumber::uri_path).size(), segments) << path;
    EXPECT_EQ(uri_path(options), path);
  }
}

TEST(Uri, ASegmentWithASlashIsNotTwo) {
  Options options;
  options.add(OptionNumber::uri_path, "rd/1%");
  EXPECT_EQ(uri_path(options), "/rd%2F1%25");
  Options back;
  add_uri(back, uri_path(options), {});
  EXPECT_EQ(back, options);
}

TEST(Uri, EscapesAreUndoneAndOtherPercentsStay) {
  Options options;
  add_uri(options, "/%41%6a/100%/%4", {});
  EXPECT_EQ(options.strings(OptionNumber::uri_path), (std::vector<std::string>{"Aj", "100%", "%4"}));
}

TEST(Uri, QueriesKeepTheirOrder) {
  Options options;
  add_uri(options, "/rd", {"ep=x", "lt=90"});
  EXPECT_EQ(options.strings(OptionNumber::uri_query), (std::vector<std::string>{"ep=x", "lt=90"}));
}

// -- nothing that arrives can hurt ------------------------------------------------------------------------------------

std::vector<Bytes> corpus() {
  std::vector<Bytes> all{encode(notification())};
  Message registration;
  registration.code = code::post;
  registration.id = 7;
  registration.token = Token(hex("01020304"));
  add_uri(registration.options, "/rd", {"ep=urn:dev:os:32473-7f3a9c51d2e804b6", "lt=90"});
  registration.options.add(OptionNumber::proxy_uri, std::string(300, 'p'));
  registration.payload = hex("3c 2f 3e");
  all.push_back(encode(registration));
  for (const Malformed& bad : kMalformed) all.push_back(hex(bad.bytes));
  return all;
}

/// What decodes encodes to something that decodes to the same.
void survives(ByteView bytes) {
  const auto m = decode_exactly(bytes);
  if (!m) return;
  const auto again = decode_exactly(encode(*m));
  ASSERT_TRUE(again);
  ASSERT_EQ(*again, *m);
}

TEST(Decode, SurvivesEveryTruncation) {
  for (const Bytes& bytes : corpus())
    for (std::size_t size = 0; size <= bytes.size(); ++size) survives(ByteView(bytes).first(size));
}

TEST(Decode, SurvivesEveryFlippedBit) {
  for (Bytes bytes : corpus()) {
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
      survives(bytes);
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
    }
  }
}

TEST(Decode, SurvivesNoise) {
  std::mt19937 random(7252);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random() % 64);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    if (!bytes.empty()) bytes[0] = static_cast<std::uint8_t>(0x40 | (bytes[0] & 0x38) | (bytes[0] & 0x03));
    survives(bytes);
  }
}

// -- neighbours -------------------------------------------------------------------------------------------------------

TEST(AddressText, IsWhatPeopleWrite) {
  Address v4{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, 5684};
  EXPECT_EQ(to_string(v4), "127.0.0.1:5684");
  Address v6{};
  v6.ip[15] = 1;
  v6.port = 80;
  EXPECT_EQ(to_string(v6), "[::1]:80");
}

TEST(CloseReasonText, EveryReasonHasAWordOfItsOwn) {
  std::vector<std::string> words;
  for (int i = 0; i <= static_cast<int>(CloseReason::protocol); ++i)
    words.emplace_back(to_string(static_cast<CloseReason>(i)));
  EXPECT_EQ(words.front(), "none");
  EXPECT_EQ(words.back(), "protocol");
  std::sort(words.begin(), words.end());
  EXPECT_EQ(std::adjacent_find(words.begin(), words.end()), words.end());
  EXPECT_EQ(std::count(words.begin(), words.end(), ""), 0);
}

}  // namespace

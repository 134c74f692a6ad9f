// SenML (RFC 8428) in CBOR and JSON, checked against the RFC's own examples. COAP-01.

#include "coap/senml.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "hex.hpp"

namespace {

using namespace coap;
using namespace coap::senml;
using coap::test::hex;
using coap::test::to_hex;

/// A copy at the very end of its own allocation, so that a sanitizer sees a read beyond it.
Result<Pack, Error> decode_exactly(ByteView bytes) {
  const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return decode_cbor(ByteView(copy.get(), bytes.size()));
}

Record value(std::string name, double number) {
  Record record;
  record.name = std::move(name);
  record.value = number;
  return record;
}

double first_value(const Result<Pack, Error>& pack) { return std::get<double>(pack->front().value); }

std::string error_of(const Result<Pack, Error>& pack) { return pack ? "none" : to_string(pack.error()); }

// -- the RFC's examples -----------------------------------------------------------------------------------------------

const char* const kExamples[] = {
    // §5.1.1 single data point
    R"([{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}])",
    // §5.1.2 multiple data points
    R"([{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}])",
    R"([{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},)"
    R"({"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},)"
    R"({"n":"current","t":-2,"v":1.5},{"n":"current","t":-1,"v":1.6},{"n":"current","v":1.7}])",
    // §5.1.3 multiple measurements
    R"([{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},{"u":"lon","v":24.30621},)"
    R"({"u":"lat","v":60.07965},{"t":60,"v":20.3},{"u":"lon","t":60,"v":24.30622},{"u":"lat","t":60,"v":60.07965},)"
    R"({"t":120,"v":20.7},{"u":"%EL","t":150,"v":98},{"t":180,"v":21.2}])",
    // §5.1.5 multiple data types
    R"([{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},)"
    R"({"n":"open","vb":false},{"n":"nfv-reader","vd":"aGkgCg"}])",
    // §5.1.6 collection of resources
    R"([{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},)"
    R"({"n":"humidity","u":"%RH","v":30},{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},)"
    R"({"n":"humidity","u":"%RH","v":67}])",
    // §5.1.7 setting an actuator
    R"([{"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":0.5},{"n":"2001:db8::4","v":0.5},)"
    R"({"n":"2001:db8::3","t":0.1,"v":0},{"n":"2001:db8::4","t":0.1,"v":0}])",
};

// §6: the second example of §5.1.2 in CBOR.
const char* const kCborExample =
    "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a 22 fb 41 d3 03 a1"
    "5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06 66 66 66 66 66 a3 00 67 63 75 72 72"
    "65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75 72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3"
    "00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3"
    "00 67 63 75 72 72 65 6e 74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33"
    "33 33 33 33 33";

TEST(Rfc8428, EveryExampleGoesThroughBothEncodings) {
  for (const char* text : kExamples) {
    const auto pack = decode_json(text);
    ASSERT_TRUE(pack) << text << " " << error_of(pack);
    const auto from_json = decode_json(encode_json(*pack));
    ASSERT_TRUE(from_json);
    EXPECT_EQ(*from_json, *pack) << text;
    const auto from_cbor = decode_exactly(encode_cbor(*pack));
    ASSERT_TRUE(from_cbor) << text << " " << error_of(from_cbor);
    EXPECT_EQ(*from_cbor, *pack) << text;
  }
}

TEST(Rfc8428, CborExampleIsTheJsonExample) {
  const auto cbor = decode_exactly(hex(kCborExample));
  ASSERT_TRUE(cbor) << error_of(cbor);
  auto json = decode_json(kExamples[2]);
  ASSERT_TRUE(json);
  json->back().time = 0;  // the RFC's CBOR says t 0 where its JSON leaves it out
  EXPECT_EQ(*cbor, *json);
}

TEST(Rfc8428, DataIsBase64UrlWithoutPadding) {
  const auto pack = decode_json(kExamples[4]);
  ASSERT_TRUE(pack);
  EXPECT_EQ(std::get<Bytes>(pack->back().value), hex("68 69 20 0a"));  // "hi \n"
}

// §4.6, and the RFC's resolved form of §5.1.2 (§5.1.4).
TEST(Resolve, IsTheRfcsExample) {
  const auto pack = decode_json(kExamples[2]);
  const auto resolved = resolve(*pack);
  ASSERT_TRUE(resolved);
  ASSERT_EQ(resolved->size(), 7u);
  const Record& voltage = (*resolved)[0];
  EXPECT_EQ(voltage.name, "urn:dev:ow:10e2073a0108006:voltage");
  EXPECT_EQ(voltage.unit, "V");
  EXPECT_EQ(voltage.time, 1.276020076001e9);
  EXPECT_EQ(voltage.base_version, 5u);
  EXPECT_FALSE(voltage.base_name || voltage.base_time || voltage.base_unit);
  const Record& current = (*resolved)[1];
  EXPECT_EQ(current.name, "urn:dev:ow:10e2073a0108006:current");
  EXPECT_EQ(current.unit, "A");
  EXPECT_EQ(current.time, 1.276020071001e9);
  EXPECT_EQ((*resolved)[6].time, 1.276020076001e9);
}

TEST(Resolve, AddsBaseValueAndBaseSum) {
  const auto pack = decode_json(R"([{"bn":"a","bv":30,"bs":100,"v":7.5,"s":1},{"n":"b"},{"n":"c","vs":"x"}])");
  ASSERT_TRUE(pack) << error_of(pack);
  const auto resolved = resolve(*pack);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(first_value(resolved), 37.5);
  EXPECT_EQ((*resolved)[0].sum, 101);
  EXPECT_EQ(std::get<double>((*resolved)[1].value), 30);
  EXPECT_EQ((*resolved)[1].sum, 100);
  EXPECT_EQ(std::get<std::string>((*resolved)[2].value), "x");
}

TEST(Resolve, LaterBaseNameReplacesTheEarlier) {
  const auto resolved = resolve(*decode_json(kExamples[5]));
  ASSERT_TRUE(resolved);
  EXPECT_EQ((*resolved)[1].name, "2001:db8::2/humidity");
  EXPECT_EQ((*resolved)[3].name, "2001:db8::1/humidity");
}

TEST(Resolve, LeavesRelativeTimesAndDropsTheDefaultVersion) {
  const auto resolved = resolve(*decode_json(R"([{"bver":10,"bt":-2,"n":"a","v":1,"t":-0.5},{"n":"b","v":2}])"));
  ASSERT_TRUE(resolved);
  EXPECT_EQ((*resolved)[0].time, -2.5);
  EXPECT_EQ((*resolved)[1].time, -2);
  EXPECT_EQ((*resolved)[0].base_version, std::nullopt);
}

TEST(Resolve, ASumThatOverflowsIsNoNumber) {
  const auto pack = decode_json(R"([{"n":"a","bv":1e308,"v":1e308}])");
  ASSERT_TRUE(pack);
  EXPECT_EQ(error_of(resolve(*pack)), "bad_number");
}

// -- numbers ----------------------------------------------------------------------------------------------------------

Bytes number_bytes(double number) {
  const Bytes pack = encode_cbor({value("a", number)});
  return Bytes(pack.begin() + 6, pack.end());  // behind 81 a2 00 61 61 02
}

TEST(Numbers, AreWrittenInTheirShortestMeaning) {
  const std::pair<double, const char*> numbers[] = {
      {0, "00"},
      {23, "17"},
      {24, "18 18"},
      {72, "18 48"},
      {-1, "20"},
      {-273, "39 01 10"},
      {65536, "1a 00 01 00 00"},
      {9007199254740991.0, "1b 00 1f ff ff ff ff ff ff"},
      {-9007199254740991.0, "3b 00 1f ff ff ff ff ff fe"},
      {37.6, "c4 82 20 19 01 78"},
      {-0.5, "c4 82 20 24"},
      {0.01, "c4 82 21 01"},
      {36.95, "c4 82 21 19 0e 6f"},
      {1e23, "c4 82 17 01"},
      {1e300, "c4 82 19 01 2c 01"},
      {1764000000.125, "fb 41 da 49 20 40 08 00 00"},
      {0.1 + 0.2, "fb 3f d3 33 33 33 33 33 34"},
      {1.2345678e-20, "fb 3b cd 26 81 23 77 65 44"},  // a decimal fraction would be no shorter
      {-0.0, "fb 80 00 00 00 00 00 00 00"},
  };
  for (const auto& [number, bytes] : numbers) EXPECT_EQ(to_hex(number_bytes(number)), to_hex(hex(bytes))) << number;
}

void expect_same_double(double number) {
  const auto cbor = decode_exactly(encode_cbor({value("a", number)}));
  ASSERT_TRUE(cbor) << number;
  const double back = first_value(cbor);
  EXPECT_EQ(std::memcmp(&back, &number, sizeof number), 0) << number << " " << back;
  const auto json = decode_json(encode_json({value("a", number)}));
  ASSERT_TRUE(json) << number;
  EXPECT_EQ(first_value(json), number);
}

TEST(Numbers, ArriveAsTheSameDouble) {
  for (const double number :
       {37.6, 36.65, 98.2, 0.1, -0.1, 1e-7, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 9007199254740992.0,
        9007199254740993.0, 1e15, 1e16, 123456789.125, 1e22, 1e23, 4.35, 0.07})
    expect_same_double(number);
}

TEST(Numbers, OfEveryMagnitudeArriveAsTheSameDouble) {
  std::mt19937_64 random(8428);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    if (std::isfinite(number)) expect_same_double(number);
    expect_same_double(static_cast<double>(static_cast<int>(random() % 2000000) - 1000000) / 100);
  }
}

// What a decimal fraction names is the double nearest to its text, also where a product of two doubles would not be it.
TEST(Numbers, DecimalFractionsAreCorrectlyRounded) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t mantissa = random() >> random() % 60;
    const int exponent = static_cast<int>(random() % 60) - 30;
    Bytes bytes = hex("81 a2 00 61 61 02 c4 82");
    if (exponent < 0) {
      bytes.push_back(0x38);
      bytes.push_back(static_cast<std::uint8_t>(-1 - exponent));
    } else {
      bytes.push_back(0x18);
      bytes.push_back(static_cast<std::uint8_t>(exponent));
    }
    bytes.push_back(0x1b);
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(mantissa >> shift));
    const std::string text = std::to_string(mantissa) + "e" + std::to_string(exponent);
    double expected = 0;
    std::from_chars(text.data(), text.data() + text.size(), expected);
    const auto pack = decode_exactly(bytes);
    ASSERT_TRUE(pack) << text;
    EXPECT_EQ(first_value(pack), expected) << text;
  }
}

TEST(Numbers, AreReadInEveryFormOfCbor) {
  const std::pair<const char*, double> forms[] = {
      {"f9 3e 00", 1.5},
      {"f9 00 01", 5.960464477539063e-8},  // the smallest half
      {"f9 c0 00", -2},
      {"fa 40 49 0f db", 3.1415927410125732},
      {"fb 40 42 cc cc cc cc cc cd", 37.6},
      {"1b 00 20 00 00 00 00 00 01", 9007199254740992.0},
      {"1b ff ff ff ff ff ff ff ff", 18446744073709551616.0},
      {"3b ff ff ff ff ff ff ff ff", -18446744073709551616.0},
      {"3b 7f ff ff ff ff ff ff ff", -9223372036854775808.0},
      {"19 00 05", 5},  // longer than it need be
      {"c4 82 20 39 01 77", -37.6},
      {"c4 82 00 05", 5},
      {"c4 82 38 ff 01", 1e-256},
      {"c4 82 39 01 8f 01", 0},  // 1e-400: nearest is zero
      {"c4 82 39 ff ff 01", 0},
      {"c4 82 19 ff ff 00", 0},
  };
  for (const auto& [bytes, expected] : forms) {
    const auto pack = decode_exactly(hex(std::string("81 a2 00 61 61 02") + bytes));
    ASSERT_TRUE(pack) << bytes << " " << error_of(pack);
    EXPECT_EQ(first_value(pack), expected) << bytes;
  }
}

TEST(Numbers, ThatAreNoneAreRefused) {
  for (const char* bytes :
       {"f9 7e 00", "f9 7c 00", "f9 fc 00", "fa 7f 80 00 00", "fb 7f f8 00 00 00 00 00 00",
        "fb ff f0 00 00 00 00 00 00", "c4 82 19 01 90 01", "c4 82 19 ff ff 01", "c4 81 01", "c4 83 01 01 01", "c4 01",
        "c4 82 01 f9 3e 00", "c4 82 01 c2 41 01", "c4 9f 01 01 ff", "c4 82 61 31 01"})
    EXPECT_EQ(error_of(decode_exactly(hex(std::string("81 a2 00 61 61 02") + bytes))), "bad_number") << bytes;
  for (const char* bytes : {"c5 82 20 01", "c2 41 01", "f6", "f7", "81 01", "a0", "d9 d9 f7 01"})
    EXPECT_EQ(error_of(decode_exactly(hex(std::string("81 a2 00 61 61 02") + bytes))), "bad_type") << bytes;
  EXPECT_EQ(error_of(decode_json(R"([{"n":"a","v":1e999}])")), "bad_number");
  EXPECT_EQ(error_of(decode_json(R"([{"n":"a","v":NaN}])")), "not_json");
}

TEST(Numbers, OfJsonAreShort) {
  EXPECT_EQ(encode_json({value("hr", 72), value("temp", 37.6)}), R"([{"n":"hr","v":72},{"n":"temp","v":37.6}])");
}

// docs/wire.md: a set fits 64 bytes for as long as q and tk are below 2^32.
TEST(MeasurementSet, FitsSixtyFourBytes) {
  const Bytes largest = encode_cbor({value("q", 4294967295.0), value("tk", 4294967295.0), value("hr", 190),
                                     value("spo2", 100), value("rr", 60), value("temp", 41.35)});
  EXPECT_LE(largest.size(), 64u);
  EXPECT_EQ(encode_cbor({value("q", 2), value("tk", 13000), value("hr", 73), value("spo2", 97), value("rr", 16),
                         value("temp", 37.6)})
                .size(),
            55u);
}

// -- what is refused, and why -----------------------------------------------------------------------------------------

TEST(Refusals, OfCborHaveTheirReason) {
  const std::pair<const char*, const char*> refusals[] = {
      {"", "not_cbor"},
      {"81", "not_cbor"},
      {"81 a2 00 61 61 02 01 00", "not_cbor"},     // a byte behind the end
      {"81 a2 00 61 61 02 1c", "not_cbor"},        // reserved additional information
      {"81 a2 00 61 ff 02 01", "not_cbor"},        // not UTF-8
      {"81 a2 00 62 c0 80 02 01", "not_cbor"},     // overlong
      {"81 a2 00 63 ed a0 80 02 01", "not_cbor"},  // surrogate
      {"81 ff", "not_cbor"},                       // a break that ends nothing
      {"81 a2 00 7b ff ff ff ff ff ff ff ff", "not_cbor"},
      {"a0", "not_a_pack"},
      {"01", "not_a_pack"},
      {"81 01", "not_a_pack"},
      {"81 80", "not_a_pack"},
      {"81 a2 00 61 61 40 01", "bad_label"},           // a byte string as a label
      {"81 a2 61 6e 61 61 02 01", "bad_label"},        // "n" as text: in CBOR it is 0
      {"81 a3 00 61 61 00 61 62 02 01", "bad_label"},  // twice
      {"81 a2 00 01 02 01", "bad_type"},
      {"81 a2 00 61 61 02 61 31", "bad_type"},
      {"81 a2 00 61 61 04 01", "bad_type"},
      {"81 a2 00 61 61 08 61 31", "bad_type"},
      {"81 a2 00 61 61 03 41 31", "bad_type"},
      {"81 a2 00 61 61 03 7f 61 31 ff", "bad_type"},  // a string of indefinite length
      {"81 a3 00 61 61 02 01 61 78 7f", "bad_type"},  // also in a field that is ignored
      {"81 a3 00 61 61 02 01 03 61 62", "two_values"},
      {"81 a1 00 61 61", "no_value"},
      {"81 a1 02 01", "bad_name"},
      {"81 a2 00 61 20 02 01", "bad_name"},
      {"81 a2 00 62 2f 61 02 01", "bad_name"},  // begins with "/"
      {"81 a3 20 0b 00 61 61 02 01", "bad_version"},
      {"81 a3 20 00 00 61 61 02 01", "bad_version"},
      {"81 a3 20 f9 3e 00 00 61 61 02 01", "bad_version"},
      {"82 a3 20 05 00 61 61 02 01 a3 20 06 00 61 62 02 01", "bad_version"},
      {"82 a2 00 61 61 02 01 a3 20 05 00 61 62 02 01", "bad_version"},
      {"81 a3 00 61 61 02 01 63 66 6f 5f 01", "must_understand"},  // "fo_"
      {"99 10 01", "too_large"},                                   // 4,097 records
      {"9b ff ff ff ff ff ff ff ff", "too_large"},
      {"81 a3 00 61 61 02 01 18 63 81 81 81 81 81 81 81 81 81 01", "too_large"},  // nested deeper than 8
  };
  for (const auto& [bytes, reason] : refusals) EXPECT_EQ(error_of(decode_exactly(hex(bytes))), reason) << bytes;
}

TEST(Refusals, OfJsonHaveTheirReason) {
  const std::pair<const char*, const char*> refusals[] = {
      {"", "not_json"},
      {"[", "not_json"},
      {R"([{"n":"a","v":1}]x)", "not_json"},
      {"[{\"n\":\"a\",\"vs\":\"\xff\"}]", "not_json"},
      {"{}", "not_a_pack"},
      {"1", "not_a_pack"},
      {"[1]", "not_a_pack"},
      {"[[]]", "not_a_pack"},
      {R"([{"n":"a","v":1,"v":2}])", "bad_label"},
      {R"([{"n":1,"v":1}])", "bad_type"},
      {R"([{"n":"a","v":"1"}])", "bad_type"},
      {R"([{"n":"a","v":null}])", "bad_type"},
      {R"([{"n":"a","v":[1]}])", "bad_type"},
      {R"([{"n":"a","v":{}}])", "bad_type"},
      {R"([{"n":"a","vb":0}])", "bad_type"},
      {R"([{"n":"a","vd":"a"}])", "bad_type"},
      {R"([{"n":"a","vd":"aGkgCg=="}])", "bad_type"},
      {R"([{"n":"a","v":1,"vb":true}])", "two_values"},
      {R"([{"n":"a"}])", "no_value"},
      {R"([{"v":1}])", "bad_name"},
      {R"([{"n":"a b","v":1}])", "bad_name"},
      {R"([{"bn":"-","n":"a","v":1}])", "bad_name"},
      {R"([{"n":"a","v":1,"bver":11}])", "bad_version"},
      {R"([{"n":"a","v":1,"bver":-1}])", "bad_version"},
      {R"([{"n":"a","v":1,"foo_":1}])", "must_understand"},
      {R"([{"n":"a","v":1,"x":[[[[[[[[[1]]]]]]]]]}])", "too_large"},
  };
  for (const auto& [text, reason] : refusals) EXPECT_EQ(error_of(decode_json(text)), reason) << text;
}

TEST(Refusals, OfWhatIsTooLong) {
  EXPECT_EQ(error_of(decode_cbor(Bytes(65537, 0x20))), "too_large");
  EXPECT_EQ(error_of(decode_json(std::string(65537, ' '))), "too_large");
  const Pack most(4096, value("a", 1));
  EXPECT_TRUE(decode_exactly(encode_cbor(most)));
  EXPECT_EQ(error_of(decode_exactly(encode_cbor(Pack(4097, value("a", 1))))), "too_large");
  Bytes indefinite = hex("9f");
  for (int i = 0; i < 4097; ++i)
    for (const std::uint8_t byte : hex("a2 00 61 61 02 01")) indefinite.push_back(byte);
  indefinite.push_back(0xff);
  EXPECT_EQ(error_of(decode_exactly(indefinite)), "too_large");
}

// §4.4: what is not known is stepped over, whatever is in it.
TEST(UnknownFields, AreIgnored) {
  const auto cbor =
      decode_exactly(hex("81 a6 00 61 61 02 01 18 63 a1 01 82 02 f6 38 63 c1 1a 00 00 00 00 61 78 9f 01 ff"
                         "63 5f 78 79 bf 61 61 f7 ff"));
  ASSERT_TRUE(cbor) << error_of(cbor);
  EXPECT_EQ(*cbor, Pack{value("a", 1)});
  const auto json = decode_json(R"([{"x":{"n":"b","v":[1,{"v":2}]},"n":"a","_x":null,"v":1,"y":[true,"z"]}])");
  ASSERT_TRUE(json) << error_of(json);
  EXPECT_EQ(*json, Pack{value("a", 1)});
}

TEST(Packs, MayBeOfIndefiniteLength) {
  const auto pack = decode_exactly(hex("9f bf 00 61 61 02 01 ff ff"));
  ASSERT_TRUE(pack) << error_of(pack);
  EXPECT_EQ(*pack, Pack{value("a", 1)});
}

TEST(Packs, MayBeEmpty) {
  EXPECT_EQ(to_hex(encode_cbor({})), "80");
  EXPECT_EQ(encode_json({}), "[]");
  EXPECT_TRUE(decode_exactly(hex("80")));
  EXPECT_TRUE(decode_json("[]"));
}

TEST(Packs, OfBaseAndSumNeedNoValue) {
  EXPECT_TRUE(decode_json(R"([{"n":"a","s":1}])"));
  EXPECT_TRUE(decode_json(R"([{"bn":"a","bv":1},{"n":"b"}])"));
}

TEST(Json, NeverThrowsForBytesThatAreNoText) {
  Record record = value("a", 1);
  record.value = std::string("\xff\xfe");
  EXPECT_NO_THROW(encode_json({record}));
}

// -- nothing that arrives can hurt ------------------------------------------------------------------------------------

/// What decodes encodes to something that decodes to the same; and resolving it may fail, but not hurt.
void survives(const Result<Pack, Error>& pack) {
  if (!pack) return;
  const auto again = decode_exactly(encode_cbor(*pack));
  ASSERT_TRUE(again) << error_of(again);
  ASSERT_EQ(*again, *pack);
  const auto resolved = resolve(*pack);
  if (resolved) {
    ASSERT_EQ(resolved->size(), pack->size());
  }
}

std::vector<Bytes> cbor_corpus() {
  std::vector<Bytes> all{hex(kCborExample), hex("81 a3 00 61 61 02 01 18 63 a1 01 9f 02 f6 c1 01 ff")};
  for (const char* text : kExamples) all.push_back(encode_cbor(*decode_json(text)));
  return all;
}

TEST(Cbor, SurvivesEveryTruncation) {
  for (const Bytes& bytes : cbor_corpus())
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(error_of(decode_exactly(ByteView(bytes).first(size))), "not_cbor") << size;
}

TEST(Cbor, SurvivesEveryFlippedBit) {
  for (Bytes bytes : cbor_corpus()) {
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
      survives(decode_exactly(bytes));
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
    }
  }
}

TEST(Json, SurvivesEveryTruncationAndFlippedBit) {
  for (std::string text : kExamples) {
    for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(decode_json(text.substr(0, size)));
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
      survives(decode_json(text));
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    }
  }
}

TEST(Cbor, SurvivesNoise) {
  std::mt19937 random(8949);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = hex("82 a2 00 61 61 02");
    const std::size_t tail = random() % 40;
    for (std::size_t i = 0; i < tail; ++i) bytes.push_back(static_cast<std::uint8_t>(random()));
    survives(decode_exactly(bytes));
  }
}

}  // namespace

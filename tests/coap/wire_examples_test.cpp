// docs/wire.md is the contract: every example of the page is what the code reads and writes.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "coap/link_format.hpp"
#include "coap/message.hpp"
#include "coap/senml.hpp"
#include "hex.hpp"
#include "places.hpp"

namespace {

using namespace coap;
using coap::test::hex;
using coap::test::to_hex;
using N = OptionNumber;

/// One ```wire block: `title: …`, lines of hex with a comment, and lines `key: value`.
struct Example {
  struct Line {
    Bytes bytes;
    std::string comment;
  };
  std::string title;
  std::vector<Line> lines;
  std::multimap<std::string, std::string> fields;

  Bytes bytes() const {
    Bytes all;
    for (const Line& line : lines) all.insert(all.end(), line.bytes.begin(), line.bytes.end());
    return all;
  }
  std::string field(const std::string& key) const {
    const auto found = fields.find(key);
    return found == fields.end() ? "" : found->second;
  }
};

void add_line(Example& example, const std::string& line) {
  const std::size_t hash = line.find('#');
  const std::size_t colon = line.find(": ");
  if (colon < hash) {
    if (line.starts_with("title: ")) {
      example.title = line.substr(colon + 2);
    } else {
      example.fields.emplace(line.substr(0, colon), line.substr(colon + 2));
    }
    return;
  }
  const std::string comment = hash == std::string::npos ? "" : line.substr(hash + 2);
  example.lines.push_back({hex(line.substr(0, hash)), comment});
}

std::vector<Example> read_page() {
  std::ifstream page(places::source("docs/wire.md"));
  std::vector<Example> examples;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```wire") {
      inside = true;
      examples.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      add_line(examples.back(), line);
    }
  }
  return examples;
}

const std::vector<Example>& examples() {
  static const std::vector<Example> all = read_page();
  return all;
}

std::string hex_id(std::uint16_t id) {
  return "0x" + to_hex(Bytes{static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)});
}

/// Everything that is in a message, in the words of the page; the payload apart.
std::multimap<std::string, std::string> describe(const Message& m) {
  static const char* const types[] = {"CON", "NON", "ACK", "RST"};
  std::multimap<std::string, std::string> fields{
      {"type", types[static_cast<int>(m.type)]}, {"code", to_string(m.code)}, {"id", hex_id(m.id)}};
  if (m.token.size() > 0) fields.emplace("token", to_hex(m.token.bytes()));
  std::string location;
  for (const auto& option : m.options.all()) {
    switch (option.number) {
      case N::observe:
        fields.emplace("observe", std::to_string(*m.options.uint(N::observe)));
        break;
      case N::content_format:
        fields.emplace("content-format", std::to_string(*m.options.uint(N::content_format)));
        break;
      case N::uri_query:
        fields.emplace("uri-query", std::string(option.value.begin(), option.value.end()));
        break;
      case N::max_age:
        fields.emplace("max-age", std::to_string(*m.options.uint(N::max_age)));
        break;
      case N::location_path:
        location += '/' + std::string(option.value.begin(), option.value.end());
        break;
      case N::uri_path:
        break;
      default:
        fields.emplace("other-option", std::to_string(static_cast<int>(option.number)));
    }
  }
  if (!location.empty()) fields.emplace("location-path", location);
  if (m.code.is_request()) fields.emplace("uri-path", uri_path(m.options));
  return fields;
}

std::set<std::string> as_set(const std::multimap<std::string, std::string>& fields) {
  std::set<std::string> lines;
  for (const auto& [key, text] : fields) lines.insert(key + ": " + text);
  return lines;
}

bool is_payload_key(const std::string& key) { return key == "senml" || key == "links" || key == "text"; }

std::multimap<std::string, std::string> stated_header(const Example& example) {
  std::multimap<std::string, std::string> fields;
  for (const auto& [key, text] : example.fields)
    if (!is_payload_key(key)) fields.emplace(key, text);
  return fields;
}

/// The payload as the page states it, written by our own encoders.
Bytes stated_payload(const Example& example) {
  const std::string json = example.field("senml");
  if (!json.empty()) {
    const auto pack = senml::decode_json(json);
    return pack ? senml::encode_cbor(*pack) : Bytes{};
  }
  const std::string links = example.field("links");
  if (!links.empty()) {
    const std::string text = encode_links(decode_links(links).value_or(std::vector<Link>{}));
    return Bytes(text.begin(), text.end());
  }
  const std::string text = example.field("text");
  return Bytes(text.begin(), text.end());
}

/// The message as the page states it, built through the interface that the rest of the code uses.
Message stated_message(const Example& example) {
  static const std::map<std::string, Type> types{
      {"CON", Type::con}, {"NON", Type::non}, {"ACK", Type::ack}, {"RST", Type::rst}};
  Message m;
  m.type = types.at(example.field("type"));
  const std::string code_text = example.field("code");
  m.code = code::make(std::stoi(code_text.substr(0, 1)), std::stoi(code_text.substr(2)));
  m.id = static_cast<std::uint16_t>(std::stoi(example.field("id"), nullptr, 16));
  m.token = Token(hex(example.field("token")));
  if (example.fields.count("observe") > 0)
    m.options.add_uint(N::observe, static_cast<std::uint32_t>(std::stoul(example.field("observe"))));
  std::vector<std::string> queries;
  const auto [from, to] = example.fields.equal_range("uri-query");
  for (auto query = from; query != to; ++query) queries.push_back(query->second);
  add_uri(m.options, example.field("uri-path"), queries);
  Options location;
  add_uri(location, example.field("location-path"), {});
  for (const std::string& segment : location.strings(N::uri_path)) m.options.add(N::location_path, segment);
  if (example.fields.count("content-format") > 0)
    m.options.add_uint(N::content_format, static_cast<std::uint32_t>(std::stoul(example.field("content-format"))));
  if (example.fields.count("max-age") > 0)
    m.options.add_uint(N::max_age, static_cast<std::uint32_t>(std::stoul(example.field("max-age"))));
  m.payload = stated_payload(example);
  return m;
}

// Each message of the conversation table, and nothing else.
TEST(WirePage, HasEveryExample) {
  const std::set<std::string> wanted{"time request",
                                     "time answer",
                                     "registration",
                                     "registration answer",
                                     "update of the registration",
                                     "update taken",
                                     "registration refused: foreign name",
                                     "registration refused: no time asked",
                                     "observe vitals",
                                     "vitals answer",
                                     "observe alarms",
                                     "alarms are on their way",
                                     "alarms answer",
                                     "alarms answer committed",
                                     "vitals notification",
                                     "vitals notification of two sets",
                                     "alarms heartbeat",
                                     "alarms heartbeat answered",
                                     "alarms notification",
                                     "alarms notification committed",
                                     "alarms notification after a reboot",
                                     "observe a waveform",
                                     "waveform answer: nothing yet",
                                     "waveform notification",
                                     "waveform notification of a broken rate",
                                     "reset",
                                     "post",
                                     "post stored",
                                     "post refused",
                                     "post put off",
                                     "post takes its time",
                                     "post stored in the end"};
  std::set<std::string> found;
  for (const Example& example : examples()) {
    EXPECT_TRUE(found.insert(example.title).second) << "twice: " << example.title;
    EXPECT_FALSE(example.lines.empty()) << example.title;
    EXPECT_FALSE(example.fields.empty()) << example.title;
  }
  EXPECT_EQ(found, wanted);
}

TEST(WirePage, EveryExampleIsWhatItSays) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.title);
    const auto m = decode(example.bytes());
    ASSERT_TRUE(m) << static_cast<int>(m.error().reason);
    EXPECT_EQ(as_set(describe(*m)), as_set(stated_header(example)));
    EXPECT_EQ(critical_fault(m->options), std::nullopt);
    EXPECT_EQ(to_hex(m->payload), to_hex(stated_payload(example)));
  }
}

TEST(WirePage, EveryPayloadSaysItsOwnFormat) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.title);
    const auto m = decode(example.bytes());
    ASSERT_TRUE(m);
    const auto format = m->options.uint(N::content_format);
    EXPECT_EQ(format == content_format::senml_cbor, example.fields.count("senml") == 1);
    EXPECT_EQ(format == content_format::link, example.fields.count("links") == 1);
    EXPECT_EQ(!format && !m->payload.empty(), example.fields.count("text") == 1);
    if (format != content_format::senml_cbor) continue;
    const auto cbor = senml::decode_cbor(m->payload);
    const auto json = senml::decode_json(example.field("senml"));
    ASSERT_TRUE(cbor) << senml::to_string(cbor.error());
    ASSERT_TRUE(json) << senml::to_string(json.error());
    EXPECT_EQ(*cbor, *json);
  }
}

TEST(WirePage, EveryExampleIsWrittenByteForByte) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.title);
    const auto m = decode(example.bytes());
    ASSERT_TRUE(m);
    EXPECT_EQ(to_hex(encode(*m)), to_hex(example.bytes()));
    EXPECT_EQ(to_hex(encode(stated_message(example))), to_hex(example.bytes()));
  }
}

/// The words between quotation marks.
std::vector<std::string> quoted_words(const std::string& comment) {
  std::vector<std::string> words;
  for (std::size_t from = comment.find('"'); from != std::string::npos;) {
    const std::size_t to = comment.find('"', from + 1);
    if (to == std::string::npos) break;
    words.push_back(comment.substr(from + 1, to - from - 1));
    from = comment.find('"', to + 1);
  }
  return words;
}

/// Text on the page shows its spaces as dots.
std::string with_dots(const std::string& text) {
  std::string shown;
  for (const char c : text) shown += c == ' ' ? "·" : std::string(1, c);
  return shown;
}

/// What a comment quotes must be in the bytes beside it (and in those above that have no comment of their own).
TEST(WirePage, CommentsQuoteTheirBytes) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.title);
    std::string held;
    for (const Example::Line& line : example.lines) {
      held.append(line.bytes.begin(), line.bytes.end());
      if (line.comment.empty()) continue;
      if (line.comment.starts_with("text: ")) {
        EXPECT_EQ(line.comment.substr(6), with_dots(held));
      } else {
        for (const std::string& word : quoted_words(line.comment))
          EXPECT_NE(held.find(word), std::string::npos) << line.comment;
      }
      held.clear();
    }
    EXPECT_TRUE(held.empty()) << "bytes without a meaning at the end";
  }
}

// Each message travels in one datagram of 1,152 bytes.
TEST(WirePage, EveryExampleFitsADatagram) {
  for (const Example& example : examples()) EXPECT_LE(example.bytes().size(), 1152u) << example.title;
}

}  // namespace

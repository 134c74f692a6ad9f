// F2. Options, URIs, queries and link format. The first byte says which; the rest is theirs.

#include "coap/link_format.hpp"
#include "coap/message.hpp"
#include "script.hpp"

namespace {

using coap::OptionNumber;
using coap::Options;
using fuzz::Bytes;
using fuzz::ByteView;
using fuzz::must;
using fuzz::Script;

/// RFC 6690: what is read can be written, and what is written reads the same.
void links(Script script) {
  const auto first = coap::decode_links(fuzz::as_text(script.rest()));
  if (!first) return;
  must(first->size() <= 64, "at most 64 links");
  for (const auto& link : *first) {
    must(link.attributes.size() <= 16, "at most 16 attributes a link");
    for (const auto& [name, value] : link.attributes) {
      must(!name.empty() && link.has(name), "an attribute has a name and is found by it");
      if (value) must(link.value(name).has_value(), "its value too");
    }
  }
  const std::string written = coap::encode_links(*first);
  const auto second = coap::decode_links(written);
  must(second && *second == *first, "written links read the same");
  must(coap::encode_links(*second) == written, "writing twice is writing once");
}

/// RFC 7252 §6.4 and §6.5: a path split into options and put together is split the same way again.
void path(Script script) {
  Options options;
  coap::add_uri(options, fuzz::as_text(script.rest()), {});
  const std::string joined = coap::uri_path(options);
  must(joined.starts_with('/'), "a path begins with /");
  Options again;
  coap::add_uri(again, joined, {});
  must(again == options, "split, joined and split is split");
  must(coap::uri_path(again) == joined, "joining twice is joining once");
}

/// The other way round: whatever segments a peer sends. Only the lone empty one looks like none (§6.5).
void segments(Script script) {
  Options options;
  std::size_t count = 0;
  while (!script.ended()) {
    options.add(OptionNumber::uri_path, script.bytes(script.byte()));
    ++count;
  }
  const std::string joined = coap::uri_path(options);
  if (count == 1 && joined == "/") return;
  Options again;
  coap::add_uri(again, joined, {});
  must(again == options, "no two lists of segments make one path");
}

void queries(Script script) {
  std::vector<std::string> list;
  while (!script.ended()) list.push_back(fuzz::as_text(script.bytes(script.byte())));
  Options options;
  coap::add_uri(options, "/rd", list);
  must(options.strings(OptionNumber::uri_query) == list, "queries keep their order and their bytes");
}

/// critical_fault() by brute force: §5.4.1, §5.4.3, §5.4.5.
std::optional<OptionNumber> find_fault(const std::vector<Options::Option>& sorted) {
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto [number, value] = sorted[i];
    if (static_cast<unsigned>(number) % 2 == 0) continue;
    const auto* rule = coap::find_option(number);
    if (rule == nullptr || value.size() < rule->min_length || value.size() > rule->max_length) return number;
    if (!rule->repeatable && i > 0 && sorted[i - 1].number == number) return number;
  }
  return std::nullopt;
}

/// Options added in any order against a list that is sorted afterwards.
void options(Script script) {
  Options under_test;
  std::vector<Options::Option> model;
  while (!script.ended() && model.size() < 64) {
    const auto number = static_cast<OptionNumber>(script.flag() ? script.number16() : script.byte() % 64);
    if (script.flag()) {
      const auto value = static_cast<std::uint32_t>(script.number64());
      under_test.add_uint(number, value);
      Bytes shortest;
      for (std::uint32_t left = value; left > 0; left >>= 8) shortest.insert(shortest.begin(), left & 0xff);
      model.push_back({number, shortest});
    } else {
      const ByteView value = script.bytes(script.byte());
      under_test.add(number, value);
      model.push_back({number, Bytes(value.begin(), value.end())});
    }
  }
  std::ranges::stable_sort(model, {}, &Options::Option::number);
  must(under_test.all() == model, "by number, and then by adding");
  must(coap::critical_fault(under_test) == find_fault(model), "the first critical fault is found");
  for (const auto& [number, value] : model) {
    const auto first = std::ranges::find(model, number, &Options::Option::number);
    must(std::ranges::equal(*under_test.first(number), first->value), "the first is the first");
    must(under_test.uint(number).has_value() == (first->value.size() <= 4), "a uint has at most four bytes");
  }

  coap::Message message{coap::Type::non, coap::code::get, 7, {}, under_test, {}};
  const Bytes written = coap::encode(message);
  if (written.size() > 1500) return;
  const auto read = coap::decode(written);
  must(bool{read}, "any list of options is a message");
  for (const auto& option : read->options.all())
    must(std::ranges::find(model, option) != model.end(), "no option comes from nowhere");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script(ByteView(data, size));
  switch (script.byte() % 5) {
    case 0:
      links(script);
      break;
    case 1:
      path(script);
      break;
    case 2:
      segments(script);
      break;
    case 3:
      queries(script);
      break;
    default:
      options(script);
  }
  return 0;
}

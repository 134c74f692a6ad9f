#include "ingest/payload/registration.hpp"

#include <charconv>
#include <string_view>

#include "coap/link_format.hpp"
#include "coap/senml.hpp"

namespace wardlink::ingest {
namespace {

constexpr std::uint64_t below_2_53 = (std::uint64_t{1} << 53) - 1;

/// The value of "name=value" among the queries.
std::optional<std::string_view> query(const std::vector<std::string>& queries, std::string_view name) {
  for (std::string_view one : queries)
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  return std::nullopt;
}

std::optional<std::uint64_t> whole(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) return std::nullopt;
  return value;
}

Refusal bad(std::string words) { return {coap::code::bad_request, std::move(words)}; }

/// RFC 9176 §5: lt in seconds.
std::optional<std::chrono::seconds> read_lifetime(std::string_view text) {
  const auto seconds = whole(text, 1, 0xffffffff);
  return seconds ? std::optional(std::chrono::seconds{*seconds}) : std::nullopt;
}

/// `tk` and `rt`, both or neither.
coap::Result<std::optional<NamedTry>, Refusal> read_try(const std::vector<std::string>& queries) {
  constexpr std::uint64_t slowest = 60'000;
  const auto tick_text = query(queries, "tk"), trip_text = query(queries, "rt");
  if (!tick_text && !trip_text) return std::optional<NamedTry>{};
  const auto tick = whole(tick_text.value_or(""), 0, below_2_53);
  if (!tick) return bad("tk is missing or not a number of milliseconds below 2^53");
  const auto trip = whole(trip_text.value_or(""), 0, slowest);
  if (!trip) return bad("rt is missing or not a number of milliseconds up to 60000");
  return std::optional{NamedTry{*tick, std::chrono::milliseconds{*trip}}};
}

std::vector<Resource> known(const std::vector<coap::Link>& links) {
  std::vector<Resource> known;
  for (Resource resource : resources)
    for (const auto& link : links)
      if (link.target == path(resource)) {
        known.push_back(resource);
        break;
      }
  return known;
}

}  // namespace

coap::Result<Registration, Refusal> read_registration(const coap::event::RequestReceived& request) {
  if (request.content_format != coap::content_format::link)
    return Refusal{coap::code::unsupported_content_format, "the payload must be link format, content-format 40"};
  const auto endpoint = query(request.queries, "ep");
  if (!endpoint) return bad("ep is missing: the URN of the certificate");
  const auto lifetime = read_lifetime(query(request.queries, "lt").value_or(""));
  if (!lifetime) return bad("lt is missing or not a number of seconds from 1 to 4294967295");
  const auto boot = whole(query(request.queries, "boot").value_or(""), 0, below_2_53);
  if (!boot) return bad("boot is missing or not a number below 2^53");
  const auto accepted = read_try(request.queries);
  if (!accepted) return accepted.error();
  const auto links =
      coap::decode_links({reinterpret_cast<const char*>(request.payload.data()), request.payload.size()});
  if (!links) return bad("the payload is not link format");
  return Registration{std::string(*endpoint), *lifetime, *boot, *accepted, known(*links)};
}

coap::Result<Update, Refusal> read_update(const coap::event::RequestReceived& request) {
  const auto lifetime_text = query(request.queries, "lt");
  const auto lifetime = read_lifetime(lifetime_text.value_or(""));
  if (lifetime_text && !lifetime) return bad("lt is not a number of seconds from 1 to 4294967295");
  const auto accepted = read_try(request.queries);
  if (!accepted) return accepted.error();
  return Update{lifetime, *accepted};
}

coap::Result<std::chrono::milliseconds, Refusal> read_tick(const coap::event::RequestReceived& request) {
  const auto tick = whole(query(request.queries, "tk").value_or(""), 0, below_2_53);
  if (!tick) return bad("tk is missing or not a number of milliseconds below 2^53");
  return std::chrono::milliseconds{*tick};
}

coap::Response time_response(WallTime now, std::uint16_t format) {
  const auto ms = std::chrono::round<std::chrono::milliseconds>(now.time_since_epoch());
  coap::senml::Record record;
  record.name = "time";
  record.value = static_cast<double>(ms.count()) / 1000.0;
  coap::Response response;
  response.content_format = format;
  if (format == coap::content_format::senml_json) {
    const auto text = coap::senml::encode_json({record});
    response.payload.assign(text.begin(), text.end());
  } else {
    response.payload = coap::senml::encode_cbor({record});
  }
  return response;
}

}  // namespace wardlink::ingest

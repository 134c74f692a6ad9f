#include "storage/wire/page_token.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "storage/port/numbers.hpp"
#include "storage/wire/opaque.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::string_view version = "1";

/// FNV-1a, 64 bits, of the deterministic encoding: it tells a mistake, not an attack.
std::string digest_of(const google::protobuf::Message& request) {
  std::string encoded;
  {
    google::protobuf::io::StringOutputStream stream(&encoded);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  encoded += request.GetDescriptor()->full_name();
  std::uint64_t hash = 14695981039346656037ULL;
  for (const unsigned char byte : encoded) hash = (hash ^ byte) * 1099511628211ULL;
  return std::to_string(hash);
}

InvalidArgument misfit() {
  return {"page_token", "is not one of this request's; the other fields must not change between pages"};
}

}  // namespace

std::string make_page_token(const google::protobuf::Message& request, const std::string& place) {
  return to_opaque(std::string(version) + ":" + digest_of(request) + ":" + place);
}

std::string read_page_token(const google::protobuf::Message& request, const std::string& token) {
  const auto text = from_opaque(token);
  const auto head = std::string(version) + ":" + digest_of(request) + ":";
  if (!text.starts_with(head)) throw misfit();
  return text.substr(head.size());
}

std::string to_place(const Position& position) {
  return std::to_string(position.at.time_since_epoch().count()) + "," + std::to_string(position.device_id) + "," +
         std::to_string(position.boot) + "," + std::to_string(static_cast<int>(position.stream)) + "," +
         std::to_string(position.sequence);
}

Position read_place(const std::string& place) {
  const auto found = read_numbers<5>(place);
  if (!found) throw misfit();
  const auto& numbers = *found;
  constexpr std::int64_t year_9999 = 253'402'300'800'000'000, year_1 = -62'135'596'800'000'000;
  const bool sound = numbers[0] >= year_1 && numbers[0] < year_9999 && numbers[2] >= 0 && numbers[4] >= 0;
  const auto stream = fitting<Stream>(numbers[3]);
  if (!sound || !stream) throw misfit();
  return {Instant{std::chrono::microseconds{numbers[0]}}, numbers[1], static_cast<std::uint64_t>(numbers[2]), *stream,
          static_cast<std::uint64_t>(numbers[4])};
}

std::size_t page_size_of(std::int32_t asked) {
  if (asked < 0) throw InvalidArgument("page_size", "must not be negative");
  return asked == 0 ? 1000 : std::min<std::size_t>(static_cast<std::size_t>(asked), 10000);
}

}  // namespace wardlink::storage

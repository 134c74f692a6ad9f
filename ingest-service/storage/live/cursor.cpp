#include "storage/live/cursor.hpp"

#include "storage/port/numbers.hpp"
#include "storage/wire/opaque.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::string_view version = "wardlink-1";

}  // namespace

std::string make_cursor(const std::string& epoch, const LivePosition& position) {
  return to_opaque(std::string(version) + ":" + epoch + ":" + std::to_string(position.transaction) + "," +
                   std::to_string(static_cast<int>(position.kind)) + "," + std::to_string(position.device_id) + "," +
                   std::to_string(position.boot) + "," + std::to_string(position.stream) + "," +
                   std::to_string(position.sequence));
}

LivePosition read_cursor(const std::string& epoch, const std::string& cursor) {
  const auto text = from_opaque(cursor);
  if (!text.starts_with("wardlink-")) throw InvalidArgument("cursor", "is none of this service's");
  if (!text.starts_with(std::string(version) + ":")) {
    throw OutOfRange("the cursor is of another version of this service: begin anew without one");
  }
  const auto head = std::string(version) + ":" + epoch + ":";
  if (!text.starts_with(head)) {
    throw OutOfRange("the cursor is of another database, or of one that was restored since: begin anew without one");
  }
  const auto numbers = read_numbers<6>(std::string_view(text).substr(head.size()));
  if (!numbers) throw InvalidArgument("cursor", "is none of this service's");
  const auto& [transaction, kind, device, boot, stream, sequence] = *numbers;
  if (transaction < 0 || boot < 0 || stream < 0 || stream > 255 || sequence < 0) {
    throw InvalidArgument("cursor", "is none of this service's");
  }
  const auto known = numbered<LiveKind>(kind);
  if (!known) throw OutOfRange("the cursor is of another version of this service: begin anew without one");
  return {static_cast<std::uint64_t>(transaction),
          *known,
          device,
          static_cast<std::uint64_t>(boot),
          static_cast<std::uint8_t>(stream),
          static_cast<std::uint64_t>(sequence)};
}

}  // namespace wardlink::storage

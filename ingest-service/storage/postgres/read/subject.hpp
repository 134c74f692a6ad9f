#pragma once
// What a question is about, as statements take it.

#include <pqxx/pqxx>
#include <string_view>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// The subject's id where it is of that kind, else empty.
std::string text_of(const Subject& subject, Subject::Kind kind);

/// not_found where the subject does not exist.
void require_known(pqxx::work& tx, const Subject& subject);

/// When a record of device d last arrived: of its twenty newest starts.
constexpr std::string_view last_received_at =
    "(SELECT max(s.last_received_at) FROM (SELECT b.boot_id FROM device_boot b WHERE b.device_id = d.device_id"
    " ORDER BY b.first_seen_at DESC LIMIT 20) b JOIN stream_state s ON s.device_id = d.device_id AND s.boot_id = "
    "b.boot_id)";

/// Who is how, by one snapshot: of a transaction that is REPEATABLE READ.
Page<LatestRow, std::int64_t> latest_rows(pqxx::work& tx, const Scope& scope, const Subject& subject,
                                          std::int64_t after, std::size_t limit);

}  // namespace wardlink::storage::postgres

#pragma once
// Measurement sets as the database tells them, and subjects as its statements take them.

#include <pqxx/pqxx>
#include <string_view>

#include "storage/record_store.hpp"

namespace wardlink::storage::postgres {

/// Of measurement_set x and its device d.
constexpr std::string_view set_columns =
    "x.device_id, d.urn, x.boot_id, x.stream, x.sequence, x.tick_ms, micros(x.measured_at), micros(x.received_at),"
    " x.sign_ids, x.sign_values, x.qualities";

/// The row's columns from `first` on are set_columns.
ReadingRow read_set(const pqxx::row& row, pqxx::row::size_type first = 0);

/// The subject's id where it is of that kind, else empty.
std::string text_of(const Subject& subject, Subject::Kind kind);

/// not_found where the subject does not exist.
void require_known(pqxx::work& tx, const Subject& subject);

/// Who is how, by one snapshot: of a transaction that is REPEATABLE READ.
std::vector<LatestRow> latest_rows(pqxx::work& tx, const Scope& scope, const Subject& subject);

/// $n::bigint[] of the subject itself, or of every device that the patient ever wore.
std::string devices_concerned(pqxx::work& tx, const Subject& subject);

}  // namespace wardlink::storage::postgres

#pragma once
// The schema, brought up to date step by step. The steps are the files of schema/, embedded in the binary.

#include <pqxx/pqxx>
#include <string_view>
#include <vector>

namespace wardlink::storage::postgres {

struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};

/// In order; generated from schema/ by CMake.
const std::vector<Migration>& migrations();

/// Applies what is missing, all or nothing, one program at a time. StoreUnfit when the database is newer than this
/// program.
void migrate(pqxx::connection& connection);

}  // namespace wardlink::storage::postgres

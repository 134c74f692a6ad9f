#pragma once
// The schema, brought up to date step by step. The steps are the files of schema/, embedded in the binary.

#include <pqxx/pqxx>
#include <string>
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
/// program. A role that may change nothing does where nothing is missing.
void migrate(pqxx::connection& connection);

/// Who is stored under a name that no certificate and no request can carry any more (names/urn.hpp): how many, and what
/// to do, in one sentence; empty where there are none.
std::string names_out_of_use(pqxx::connection& connection);

/// StoreError away while steps are missing, or StoreUnfit as above: for a program that leaves the schema to another.
void expect_schema(pqxx::transaction_base& tx);

}  // namespace wardlink::storage::postgres

#include "storage/postgres/link/connection.hpp"

#include <array>
#include <string_view>

#include "storage/postgres/link/session.hpp"

namespace wardlink::storage::postgres {

std::unique_ptr<Connection> Database::open() const {
  auto connection = translated([&] { return std::make_unique<Connection>(connection_, patience_); });
  in_turn(*connection, [&] {
    begin_session(*connection, connection_);
    Durability::prepare(*connection);
  });
  return connection;
}

bool passes(const pqxx::sql_error& error) {
  const std::string_view state = error.sqlstate();
  constexpr std::array<std::string_view, 9> classes = {"08", "25", "40", "53", "54", "55", "57", "58", "XX"};
  for (const auto each : classes) {
    if (state.starts_with(each)) return true;
  }
  return state.empty();
}

bool refuses_data(const pqxx::sql_error& error) {
  const std::string_view state = error.sqlstate();
  return state.starts_with("22") || state.starts_with("23");
}

namespace {

/// The first line, without the word that says how bad it is and without where the server is.
std::string headline(std::string text) {
  text = text.substr(0, text.find('\n'));
  for (const std::string_view lead : {"failed: ", "FATAL:", "ERROR:"}) {
    const auto at = text.find(lead);
    if (at == std::string::npos) continue;
    const auto rest = text.find_first_not_of(' ', at + lead.size());
    text = rest == std::string::npos ? std::string() : text.substr(rest);
  }
  return text;
}

struct KnownCause {
  std::string_view sqlstate, words;
};

constexpr std::array<KnownCause, 9> known_causes = {{{"53100", "its disk is full"},
                                                     {"53200", "it has no memory left"},
                                                     {"53300", "it has no connection left"},
                                                     {"25006", "it is read-only"},
                                                     {"57014", "a statement took too long"},
                                                     {"55P03", "another transaction holds what is needed"},
                                                     {"57P01", "it ended the connection"},
                                                     {"57P02", "it crashed"},
                                                     {"57P03", "it is starting or stopping"}}};

}  // namespace

std::string cause(const pqxx::sql_error& error) {
  for (const auto& known : known_causes) {
    if (error.sqlstate() == known.sqlstate) return std::string(known.words);
  }
  return headline(error.what());
}

std::string cause(const pqxx::failure& error) {
  const std::string text = error.what();
  if (dynamic_cast<const pqxx::in_doubt_error*>(&error)) return "a COMMIT was not answered";
  if (dynamic_cast<const pqxx::transaction_rollback*>(&error)) return "another transaction was in the way";
  if (text.find("timeout expired") != std::string::npos) return "it does not answer";
  if (text.find("failed: FATAL:") != std::string::npos) return headline(text);
  if (text.find("failed: ") != std::string::npos) return "it cannot be reached: " + headline(text);
  // Else libpqxx and libpq say in many ways, and more than once, that the connection has ended.
  return "the connection was lost";
}

}  // namespace wardlink::storage::postgres

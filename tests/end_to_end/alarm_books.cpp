#include "alarm_books.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <set>
#include <tuple>

namespace wardlink::testing {
namespace {

using Key = std::tuple<std::string, std::uint64_t, std::uint64_t>;  // device's URN, boot, sequence

struct Row {
  int times = 0;
  std::int64_t committed_us = 0;  // since 1970-01-01 UTC
};

void read_journals(const std::string& folder,
                   const std::function<void(const std::string& label, const nlohmann::json&)>& read) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".jsonl") continue;
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      const auto entry = nlohmann::json::parse(line, nullptr, false);
      if (entry.is_object()) read(file.path().stem().string(), entry);  // else a line that a kill cut off
    }
  }
}

std::map<Key, Row> read_rows(const std::string& database) {
  pqxx::connection connection(database);
  pqxx::work work(connection);
  std::map<Key, Row> all;
  for (const auto& row : work.exec("SELECT d.urn, a.boot_id, a.sequence, "
                                   "floor(extract(epoch FROM pg_xact_commit_timestamp(a.xmin)) * 1000000)::bigint "
                                   "FROM alarm_event a JOIN device d USING (device_id) WHERE a.stream = 2")) {
    auto& one = all[{row[0].as<std::string>(), row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>()}];
    ++one.times;
    one.committed_us = row[3].as<std::int64_t>();
  }
  return all;
}

}  // namespace

AlarmBooks compare_books(const Stack& stack, const std::string& folder) {
  std::map<std::string, std::string> urns;  // by label
  std::set<Key> journaled;
  std::map<Key, std::int64_t> acknowledged_us;
  read_journals(folder, [&](const std::string& label, const nlohmann::json& entry) {
    const auto type = entry.value("type", "");
    if (type != "alarm" && type != "ack") return;
    auto& urn = urns[label];
    if (urn.empty()) urn = stack.urn(label);
    const Key key{urn, entry.at("boot"), entry.at("seq")};
    type == "alarm" ? void(journaled.insert(key)) : void(acknowledged_us[key] = entry.at("at_us"));
  });
  const auto rows = read_rows(stack.database());
  AlarmBooks books;
  books.journaled = journaled.size();
  books.rows = rows.size();
  for (const auto& key : journaled) books.missing += rows.contains(key) ? 0 : 1;
  for (const auto& [key, row] : rows) books.doubled += row.times == 1 ? 0 : 1;
  for (const auto& [key, at] : acknowledged_us) {
    const auto row = rows.find(key);
    if (row == rows.end()) continue;  // counted as missing, or written down by a line that a kill cut off
    books.compared.push_back({at, at < row->second.committed_us});
    books.early += books.compared.back().early ? 1 : 0;
  }
  return books;
}

std::ostream& operator<<(std::ostream& out, const AlarmBooks& books) {
  return out << "alarm records written down " << books.journaled << ", rows " << books.rows
             << ", ACKs compared with their COMMIT " << books.compared.size();
}

std::size_t count_journaled(const std::string& folder, const std::string& type) {
  std::size_t count = 0;
  read_journals(folder, [&](const std::string&, const nlohmann::json& entry) {
    count += entry.value("type", "") == type ? 1 : 0;
  });
  return count;
}

}  // namespace wardlink::testing

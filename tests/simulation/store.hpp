#pragma once
// The database behind storage, and its faults: away, a commit whose outcome is unknown, slowness.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "chance.hpp"
#include "clock.hpp"
#include "sometimes.hpp"
#include "storage/port/record_store.hpp"

namespace wardlink::simulation {

/// What is stored, as the oracle reads it.
struct Row {
  std::string device;
  std::uint64_t boot = 0;
  storage::Stream stream{};
  std::uint64_t sequence = 0;
  std::uint64_t tick_ms = 0;
  decltype(storage::Record::body) body;
};
using RowKey = std::tuple<std::string, std::uint64_t, storage::Stream, std::uint64_t>;

class Database {
 public:
  struct Faults {
    bool away = false;          // nothing is done
    double refused = 0;         // a call is not done, 0 to 1
    double unknown = 0;         // a call is done, and says that it is not known to be
    coap::Duration slowness{};  // of a call
  };
  Faults faults;
  std::map<RowKey, Row> rows;
  std::vector<storage::Record> quarantine;
  std::map<std::int64_t, std::string> devices;
  std::uint64_t duplicates = 0;

  explicit Database(Chance chance, Sometimes& sometimes) : chance_(chance), sometimes_(sometimes) {}

  std::unique_ptr<storage::RecordWriter> open_writer();
  bool has_alarm(const std::string& device, std::uint64_t boot, std::uint64_t sequence) const;

 private:
  class Writer;
  friend class Writer;
  template <class Work>
  auto call(Work work);
  std::shared_ptr<const storage::Session> session(const storage::AttachRequest& request);
  storage::RecordResult store(const storage::Record& record);

  Chance chance_;
  Sometimes& sometimes_;
  std::map<std::pair<std::string, std::uint64_t>, std::shared_ptr<const storage::Session>> starts_;
  std::map<std::string, std::int64_t> ids_;
};

}  // namespace wardlink::simulation

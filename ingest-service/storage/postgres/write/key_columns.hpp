#pragma once
// The columns that every record has, as arrays: what a batch's statements begin with.

#include "storage/postgres/link/text.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {

inline std::int64_t number(Stream stream) { return static_cast<std::int64_t>(stream); }
inline std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

struct KeyColumns {
  ArrayText devices, boots, streams, sequences, ticks, measured, received;

  void add(const Record& record) {
    devices.add(record.session->device_id);
    boots.add(number(record.session->boot));
    streams.add(number(record.stream));
    sequences.add(number(record.sequence));
    ticks.add(number(record.tick_ms));
    measured.add(to_text(measured_at(record)));
    received.add(to_text(record.received_at));
  }
};

}  // namespace wardlink::storage::postgres

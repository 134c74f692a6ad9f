#pragma once
// What a shard counts. Plain numbers: one thread counts, and a snapshot taken on that thread is what others see.

#include <array>
#include <cstdint>

#include "coap/connection.hpp"
#include "coap/listener.hpp"
#include "ingest/session/session_stats.hpp"

namespace wardlink::ingest {

/// Everything that one shard knows of itself.
struct ShardStats {
  SessionStats session;
  coap::SessionCounters listener;
  coap::ConnectionCounters connections;  // of all sessions, past ones included
  std::array<std::uint64_t, count_of<coap::CloseReason>()> refused_handshakes{};
  std::array<std::uint64_t, count_of<coap::CloseReason>()> closed_sessions{};
  std::uint64_t sessions = 0, half_open = 0, handshakes_waiting = 0;  // now
  std::uint64_t kernel_drops = 0;
  std::uint64_t muted_drops = 0;
  std::uint64_t send_drops = 0;
};

void add(coap::ConnectionCounters& sum, const coap::ConnectionCounters& one);
void add(ShardStats& sum, const ShardStats& one);

}  // namespace wardlink::ingest

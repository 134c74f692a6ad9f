// What a scrape of ingest's counters costs its shard's thread: Shard::stats() and the text that Prometheus gets, with a
// ward of sessions in memory. scrape_bench [SESSIONS], default 5000; exit code 1 beyond 2 ms.

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "coap/message.hpp"
#include "ingest/memory_sessions.hpp"
#include "ingest/memory_sink.hpp"
#include "ingest/metrics.hpp"
#include "ingest/shard/shard.hpp"

namespace {

using namespace wardlink::ingest;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr Milliseconds most{2};

/// A message that asks for the time, as a device's first.
coap::Bytes first_words() {
  coap::Message message;
  message.type = coap::Type::con;
  message.code = coap::code::get;
  message.id = 1;
  coap::add_uri(message.options, "/time", {"tk=1"});
  return coap::encode(message);
}

Milliseconds scrape(const Shard& shard) {
  const auto begin = std::chrono::steady_clock::now();
  ServiceStats stats;
  stats.shards = shard.stats();
  const auto text = prometheus::TextSerializer().Serialize(metrics(stats));
  const auto end = std::chrono::steady_clock::now();
  if (text.empty()) std::abort();
  return end - begin;
}

}  // namespace

int main(int argc, char** argv) {
  const int sessions = argc > 1 ? std::atoi(argv[1]) : 5000;
  if (argc > 2 || sessions < 1 || sessions > 65'535) {
    std::fputs("scrape_bench [SESSIONS]: 1 to 65535 sessions.\n", stderr);
    return 2;
  }
  const coap::Instant now{std::chrono::seconds{100}};
  testing::MemorySink sink([](const auto&) {});
  Owners owners;
  Shard::Environment environment{[] { return WallTime{std::chrono::seconds{1'764'000'000}}; }, [&] { return now; },
                                 [](std::function<void()> work) { work(); }, [] {}};
  Shard shard(std::make_unique<testing::MemorySessions>(), {}, coap::testing::seeded(1), sink, owners, environment);
  const auto words = first_words();
  coap::Address address{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, .port = 0};
  for (int i = 1; i <= sessions; ++i) {
    address.port = static_cast<std::uint16_t>(i);
    shard.handle_datagram(address, words, now);
    while (shard.poll_datagram()) {
    }
  }
  std::array<Milliseconds, 20> took{};
  for (auto& each : took) each = scrape(shard);
  std::ranges::sort(took);
  const auto median = took[took.size() / 2];
  std::printf("%llu sessions: a scrape takes %.2f ms, the median of %zu (%.2f to %.2f)\n",
              static_cast<unsigned long long>(shard.stats().sessions), median.count(), took.size(),
              took.front().count(), took.back().count());
  return median <= most ? 0 : 1;
}

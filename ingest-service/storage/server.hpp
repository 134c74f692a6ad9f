#pragma once
// A gRPC port: mutual TLS, limits, health and reflection. There are two, each in a process of its own: one for people
// and their programs, one for ingest, so that nothing that comes to the first can hold up an alarm.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "storage/api/tallies.hpp"
#include "storage/listening_port.hpp"
#include "storage/live/tail.hpp"
#include "storage/port/access_store.hpp"
#include "storage/port/live_store.hpp"
#include "storage/port/record_store.hpp"
#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

/// PEM texts: the server's chain and key, and the authorities that sign the clients of this port.
struct ServerCredentials {
  std::string certificate, key, authority;
};

class Server {
 public:
  /// api: what people and their programs ask. ingest: what ingest appends; a stream of it that comes to the API is told
  /// in one sentence where to go.
  enum class Serves { api, ingest };
  struct Config {
    Serves serves = Serves::api;
    std::string address = "127.0.0.1:50051";  // port 0 = the kernel picks
    std::string host;  // its kernel's boot id; by it the calendar's readings are kept, from one process to the next
    ServerCredentials credentials;
    ListeningPort::Limits limits;
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);  // of TLS; then the connection is closed
    std::size_t calls_per_second = 500;                                      // of one subject, sustained
    std::size_t calls_at_once = 64;                                          // of one subject, streams too
    /// Streams from ingest, each with a thread and a database connection: two for each of its shards.
    std::size_t ingest_streams = 64;
    /// How often the grants of streams that stand are asked for again: for so long a grant outlives its end.
    std::chrono::milliseconds grant_recheck = std::chrono::seconds(3);
    /// By which a client's certificate ends; it is looked at as often as the grants are.
    std::function<std::chrono::system_clock::time_point()> calendar = std::chrono::system_clock::now;
    LiveTail::Limits live{};
    /// At the end, what calls that still run may take to end by themselves, live streams with their last words.
    std::chrono::milliseconds farewell = std::chrono::seconds(1);
  };

  /// Serves at once, on gRPC's own threads. The stores outlive it. Throws ListenError.
  Server(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access, LiveStore& live);
  ~Server();

  int port() const;
  /// Any thread.
  ListeningPort::Counts connections() const;
  struct Stats {
    Tallies::Counts counts;
    ListeningPort::Counts connections;
    std::uint64_t calls_refused = 0, calls_rationed = 0, calls_crowded_out = 0;  // by the grants; a second; at once
    std::size_t generations = 1;  // sets of credentials under which somebody may be connected
    bool serving = true;
    std::uint64_t calendar_steps = 0;  // times that the database's calendar was set, of which this was the first to see
  };
  /// Any thread.
  Stats stats() const;
  /// Who connects from now on meets these; connections that stand go on under those that they began with. The
  /// constructor's thread. Throws ListenError when they cannot be used, and changes nothing.
  void renew(const ServerCredentials& credentials);
  /// Gives back what former credentials need, once nobody is connected under them. The same thread, now and then.
  void let_go();
  /// To be called every few seconds: whether the database's calendar was set. Any thread. Throws StoreError.
  void look_at_calendar();
  /// What the health service says.
  void set_serving(bool serving);
  /// Ends streams, lets running calls finish for a second.
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wardlink::storage

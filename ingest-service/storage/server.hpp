#pragma once
// The gRPC port: mutual TLS, limits, health and reflection.

#include <memory>
#include <stdexcept>
#include <string>

#include "storage/access_store.hpp"
#include "storage/record_store.hpp"
#include "storage/registry_store.hpp"

namespace wardlink::storage {

/// The port cannot be opened; one sentence.
class ListenError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Server {
 public:
  struct Config {
    std::string address = "127.0.0.1:50051";  // port 0 = the kernel picks
    std::string certificate, key, authority;  // PEM texts: the server's chain and key, who signs clients
  };

  /// Serves at once, on gRPC's own threads. The stores outlive it. Throws ListenError.
  Server(const Config& config, RecordStore& records, RegistryStore& registry, AccessStore& access);
  ~Server();

  int port() const;
  /// What the health service says.
  void set_serving(bool serving);
  /// Ends streams, lets running calls finish for a second.
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wardlink::storage

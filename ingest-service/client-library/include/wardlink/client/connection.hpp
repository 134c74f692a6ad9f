#pragma once
// Start here. A program that asks a Wardlink server: a board on the wall, a bridge to another system, a script. One
// Connection a program; calls go through it (below), lists through pages.hpp, live streams through watch.hpp. What can
// be asked is in the contract, proto/wardlink/v1/vitals.proto and registry.proto.
//
//   client::Connection connection({.server = "wardlink.ward.example:50051",
//                                  .certificate = client::Pem::file("board.pem"),
//                                  .key = client::Pem::file("board.key"),
//                                  .authority = client::Pem::file("service-ca.pem")});
//   const auto vitals = v1::VitalsService::NewStub(connection.channel());
//   const auto latest = connection.call(*vitals, &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest());

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "wardlink/client/error.hpp"
#include "wardlink/client/pem.hpp"

namespace wardlink::client {

struct ConnectionOptions {
  std::string server = "localhost:50051";  // HOST:PORT; HOST must be in the server's certificate
  Pem certificate{};  // one's own, then its intermediates; the SAN URI is the subject that has a grant
  Pem key{};          // of that certificate
  Pem authority{};    // who signed the server's certificate
  std::chrono::microseconds timeout{10'000'000};  // of each call() and stream(), above 0
};

/// gRPC over mutual TLS, never by a proxy of the environment. Connects at the first call, and again whenever it must; a
/// new attempt follows a failed one after 0.1 s, doubling to 5 s. A TCP connection whose peer confirms nothing for 10 s
/// is given up. Responses may have up to 64 MiB. Any thread.
class Connection {
 public:
  /// Reads the PEM. Throws Error (unreadable, not_pem).
  explicit Connection(ConnectionOptions options);

  /// For stubs. It stays usable after renew(), with the certificate that it has.
  std::shared_ptr<grpc::Channel> channel() const;
  /// As it was named in the options.
  const std::string& server() const { return options_.server; }

  /// Reads the PEM again: channel() gives a new channel from now on, and every Watch uses it from its next stream on.
  /// Call it before the certificate ends. Throws Error (unreadable, not_pem) and changes nothing where it cannot be
  /// read.
  void renew();
  /// Where calls still go over `channel`, they go over a new TCP connection from now on: for one that fell silent,
  /// which gRPC would keep. A Watch does this by itself.
  void abandon(const std::shared_ptr<grpc::Channel>& channel);

  /// Calls `method` of `stub`, a generated one, and returns the response. Throws Error for any status but OK.
  template <class Stub, class Request, class Response>
  Response call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(deadline());
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) throw error_of(status);
    return response;
  }

  /// The same for a call that answers with a stream that ends: `take(response)` for each. The timeout is the whole
  /// call's.
  template <class Stub, class Request, class Response, class Take>
  void stream(Stub& stub,
              std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*, const Request&),
              const Request& request, Take take) const {
    grpc::ClientContext context;
    context.set_deadline(deadline());
    const auto reader = (stub.*method)(&context, request);
    for (Response response; reader->Read(&response);) take(response);
    const grpc::Status status = reader->Finish();
    if (!status.ok()) throw error_of(status);
  }

  /// What a call's status means.
  Error error_of(const grpc::Status& status) const;

 private:
  struct Identity {
    std::string certificate, key, authority;  // PEM
  };
  /// Of a call that begins now; the calendar may be set meanwhile.
  gpr_timespec deadline() const;
  Identity read_identity() const;
  static std::shared_ptr<grpc::Channel> open(const std::string& server, const Identity& identity);

  const ConnectionOptions options_;
  mutable std::mutex mutex_;
  Identity identity_;                       // protected by mutex_
  std::shared_ptr<grpc::Channel> channel_;  // protected by mutex_
};

}  // namespace wardlink::client

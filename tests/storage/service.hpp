#pragma once
// Both halves of the service in process, on ports that the kernel picks, with certificates of certs/make-pki.

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"
#include "storage/server.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"
#include "wardlink/v1/registry.grpc.pb.h"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::storage::test {

/// A folder of certificates, gone with the object.
class Pki {
 public:
  Pki();
  ~Pki();
  /// PEM text of DIR/name.
  std::string pem(const std::string& name) const;
  /// Makes clients/NAME, with make-pki's options for wrong certificates.
  void add_client(const std::string& name, const std::vector<std::string>& options = {}) const;
  /// Makes services/NAME.
  void add_service(const std::string& name) const;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

/// Made once a process: certificates cost time, not state.
const Pki& pki();

std::string text_of(const std::string& path);

struct Service {
  /// `change`: of both servers' settings. `live`: what live streams read from; none = the store.
  explicit Service(const std::string& connection, const std::function<void(Server::Config&)>& change = {},
                   LiveStore* live = nullptr);
  /// A channel of its own connection, with that certificate ("ingest-client", "clients/alice"; empty = none): to the
  /// API, or with "ingest-client" to ingest's port.
  std::shared_ptr<grpc::Channel> channel(const std::string& certificate, const Pki& from = pki()) const;
  /// The same to a port of your choice.
  static std::shared_ptr<grpc::Channel> channel_to(int port, const std::string& certificate, const Pki& from = pki());

  PostgresStore store;
  Server server;  // the API
  Server ingest;
};

/// A stream from ingest that is spoken to line by line.
class IngestTalk {
 public:
  explicit IngestTalk(const std::shared_ptr<grpc::Channel>& channel);
  ~IngestTalk();
  bool send(const v1::IngestRequest& request) { return stream_->Write(request); }
  /// The next answer; an empty one when the stream has ended.
  v1::IngestResponse hear();
  /// A session whose tick 0 is that instant, exactly: its ticks are the calendar's on the wire, and so in the rows.
  v1::AttachResult attach(std::uint64_t session, const std::string& device, std::uint64_t boot,
                          std::int64_t anchor_seconds);
  /// The ticks are of the sessions or boots that attach() was told of.
  v1::AppendResult append(const v1::Append& append);
  /// The stamp of this stream, which its constructor asks for.
  static constexpr std::uint64_t stamp = 1;
  /// What a tick of a session with that anchor is on the wire.
  static constexpr std::uint64_t tick(std::int64_t anchor_seconds, std::uint64_t tick_ms) {
    return static_cast<std::uint64_t>(anchor_seconds) * 1000 + tick_ms;
  }
  grpc::Status finish();
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::IngestService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestResponse>> stream_;
  std::map<std::uint64_t, std::int64_t> sessions_, boots_;  // with their anchors, seconds
  bool finished_ = false;
};

/// Adds a measurement set of one sign to the batch.
void add_set(v1::Append& batch, std::uint64_t session, std::uint64_t sequence, std::uint64_t tick_ms, double value,
             std::uint32_t sign = 1);
void add_alarm(v1::Append& batch, std::uint64_t session, std::uint64_t sequence, std::uint64_t tick_ms,
               const std::string& code, v1::AlarmFact::Event event, std::uint64_t onset = 0);

}  // namespace wardlink::storage::test

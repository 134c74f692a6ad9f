#pragma once
// The whole of Wardlink as real processes on loopback: a private PostgreSQL, both halves of storage, ingest, simulated
// wearables; and ways to look into it: gRPC as a client, SQL as its owner, the services' counters.

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coap/credentials.hpp"
#include "process.hpp"
#include "wardlink/v1/registry.grpc.pb.h"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::testing {

class Stack {
 public:
  /// PostgreSQL starts with these variables ("NAME=value") in its environment.
  explicit Stack(const std::vector<std::string>& postgres_environment = {});
  ~Stack();

  /// As it was started first.
  void start_postgres();
  void stop_postgres();
  /// What takes the records (--serve ingest), on the stack's own database, or by another way to it.
  void start_storage(const std::string& database = {});
  /// What answers people (--serve api).
  void start_api();
  /// Both, from now on as children of one supervisor (--serve all): `storage`.
  void supervise_storage();
  void start_ingest(int drain_seconds = 120);

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string pki() const { return path("pki"); }
  std::uint16_t ingest_port() const { return ingest_port_; }
  /// Of the API.
  std::uint16_t storage_port() const { return api_.port; }
  /// Where ingest appends.
  std::uint16_t storage_ingest_port() const { return storage_.port; }
  /// Another API process on the same database, on `port` (0: any, which it then says); `name` is its log's.
  Process another_storage(const std::string& name, std::uint16_t& port) const;

  /// certs/make-pki with these arguments after the folder; what it prints.
  std::string make_pki(const std::string& verb, const std::vector<std::string>& arguments) const;
  /// The PEM texts of pki()/<name>.pem and .key, trusting the service authority.
  coap::Credentials credentials(const std::string& name) const;
  /// The URN of the certificate devices/<label>.
  std::string urn(const std::string& label) const;

  /// wardlink-ward with these arguments, talking to `port` (0: ingest's own).
  Process ward(std::vector<std::string> arguments, std::uint16_t port = 0) const;

  /// What wardlink, the client, prints for an administrator. Throws std::runtime_error where it fails.
  std::string client(std::vector<std::string> arguments) const;

  /// One row of one column as text; empty when there is none.
  std::string sql(const std::string& statement) const;
  const std::string& database() const { return database_; }

  /// A sample of a service's metrics, by its whole name with labels; 0 when it is not there.
  double metric(const std::string& name) const;
  /// The sum of all samples whose name begins so.
  double metric_sum(const std::string& prefix) const;

  std::vector<v1::MeasurementSet> readings(const std::string& parent) const;
  std::vector<v1::Alarm> alarms(const std::string& parent) const;
  /// A new channel to storage.
  std::shared_ptr<grpc::Channel> connect(const coap::Credentials& credentials) const;
  /// What storage says to a clinician's question, within a minute.
  grpc::StatusCode ask() const;

  Process storage, api, ingest;

 private:
  struct Ports {
    std::uint16_t port = 0, metrics_port = 0;
  };
  /// What is the same for each of them.
  std::vector<std::string> storage_arguments(const std::string& database, const std::string& ready_file) const;
  /// `serve`: api or ingest. On the ports told, where they are not 0; it tells where it then is.
  Process storage_process(const std::string& serve, const std::string& name, const std::string& database,
                          Ports& ports) const;
  /// Again until every thread has told its part.
  static std::map<std::string, double> scrape(std::uint16_t port);
  /// Of all processes that count it.
  std::map<std::string, double> samples(const std::string& metric) const;

  TemporaryFolder folder_;
  std::vector<std::string> postgres_environment_;
  std::string database_;
  Ports storage_, api_;
  std::uint16_t ingest_port_ = 0, metrics_port_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
};

/// A channel of its own to a storage process, with these credentials.
std::shared_ptr<grpc::Channel> open_channel(std::uint16_t port, const coap::Credentials& credentials);

/// The recordings of real patients, where they are (WARDLINK_REALDATA, or beside the source folder); empty elsewhere.
std::string recordings_folder();

}  // namespace wardlink::testing

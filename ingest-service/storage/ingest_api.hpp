#pragma once
// wardlink.v1.IngestService: what shards of ingest append. While the database is away a stream stays open and its batch
// waits, retried until it is durable or the stream is cancelled.

#include "storage/access.hpp"
#include "storage/record_store.hpp"
#include "storage/wait_log.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"

namespace wardlink::storage {

class IngestApi final : public v1::IngestService::Service {
 public:
  IngestApi(RecordStore& store, Guard& guard) : store_(store), guard_(guard) {}

  /// One thread and one database connection a stream, for as long as it stands.
  grpc::Status Ingest(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) override;

 private:
  RecordStore& store_;
  Guard& guard_;
  WaitLog wait_log_;
};

}  // namespace wardlink::storage

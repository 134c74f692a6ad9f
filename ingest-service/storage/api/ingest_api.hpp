#pragma once
// wardlink.v1.IngestService: what shards of ingest append. While the database is away a stream stays open and its batch
// waits, retried until it is durable or the stream is cancelled.

#include <atomic>
#include <cstddef>

#include "storage/access/guard.hpp"
#include "storage/api/calendar_watch.hpp"
#include "storage/api/tallies.hpp"
#include "storage/api/wait_log.hpp"
#include "storage/port/record_store.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"

namespace wardlink::storage {

class IngestApi final : public v1::IngestService::Service {
 public:
  IngestApi(RecordStore& store, CalendarWatch& calendar, Guard& guard, Tallies& tallies, std::size_t most_streams)
      : store_(store), calendar_(calendar), guard_(guard), tallies_(tallies), most_streams_(most_streams) {}

  /// One thread and one database connection a stream, for as long as it stands: beyond `most_streams` at once a stream
  /// ends with RESOURCE_EXHAUSTED.
  grpc::Status Ingest(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) override;

 private:
  RecordStore& store_;
  CalendarWatch& calendar_;
  Guard& guard_;
  Tallies& tallies_;
  WaitLog wait_log_;
  const std::size_t most_streams_;
  std::atomic<std::size_t> streams_ = 0;
};

}  // namespace wardlink::storage

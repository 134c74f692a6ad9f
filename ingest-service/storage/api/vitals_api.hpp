#pragma once
// wardlink.v1.VitalsService; the .proto says what each call means.

#include "storage/access/guard.hpp"
#include "storage/api/watch.hpp"
#include "storage/port/record_store.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::storage {

class VitalsApi final : public v1::VitalsService::Service {
 public:
  VitalsApi(RecordStore& store, Guard& guard, WatchService& live) : store_(store), guard_(guard), live_(live) {}

  grpc::Status GetLatest(grpc::ServerContext* context, const v1::GetLatestRequest* request,
                         v1::GetLatestResponse* response) override;
  grpc::Status ListReadings(grpc::ServerContext* context, const v1::ListReadingsRequest* request,
                            v1::ListReadingsResponse* response) override;
  grpc::Status GetWaveform(grpc::ServerContext* context, const v1::GetWaveformRequest* request,
                           grpc::ServerWriter<v1::WaveformRun>* stream) override;

  grpc::Status AggregateReadings(grpc::ServerContext* context, const v1::AggregateReadingsRequest* request,
                                 v1::AggregateReadingsResponse* response) override;
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* stream) override;

 private:
  RecordStore& store_;
  Guard& guard_;
  WatchService& live_;
};

}  // namespace wardlink::storage

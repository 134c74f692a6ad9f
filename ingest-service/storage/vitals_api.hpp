#pragma once
// wardlink.v1.VitalsService; the .proto says what each call means.

#include "storage/access.hpp"
#include "storage/record_store.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::storage {

class VitalsApi final : public v1::VitalsService::Service {
 public:
  VitalsApi(RecordStore& store, Guard& guard) : store_(store), guard_(guard) {}

  grpc::Status GetLatest(grpc::ServerContext* context, const v1::GetLatestRequest* request,
                         v1::GetLatestResponse* response) override;
  grpc::Status ListReadings(grpc::ServerContext* context, const v1::ListReadingsRequest* request,
                            v1::ListReadingsResponse* response) override;

 private:
  RecordStore& store_;
  Guard& guard_;
};

}  // namespace wardlink::storage

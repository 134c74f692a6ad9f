#pragma once
// wardlink.v1.AlarmService; the .proto says what each call means.

#include "storage/access.hpp"
#include "storage/record_store.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::storage {

class AlarmApi final : public v1::AlarmService::Service {
 public:
  AlarmApi(RecordStore& store, Guard& guard) : store_(store), guard_(guard) {}

  grpc::Status ListAlarms(grpc::ServerContext* context, const v1::ListAlarmsRequest* request,
                          v1::ListAlarmsResponse* response) override;

 private:
  RecordStore& store_;
  Guard& guard_;
};

}  // namespace wardlink::storage

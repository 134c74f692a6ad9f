#pragma once
// wardlink.v1.AlarmService; the .proto says what each call means.

#include "storage/access/guard.hpp"
#include "storage/api/watch.hpp"
#include "storage/port/record_store.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::storage {

class AlarmApi final : public v1::AlarmService::Service {
 public:
  AlarmApi(RecordStore& store, Guard& guard, WatchService& live) : store_(store), guard_(guard), live_(live) {}

  grpc::Status ListAlarms(grpc::ServerContext* context, const v1::ListAlarmsRequest* request,
                          v1::ListAlarmsResponse* response) override;
  grpc::Status ListQuarantine(grpc::ServerContext* context, const v1::ListQuarantineRequest* request,
                              v1::ListQuarantineResponse* response) override;
  grpc::Status ListSystemAlarms(grpc::ServerContext* context, const v1::ListSystemAlarmsRequest* request,
                                v1::ListSystemAlarmsResponse* response) override;
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* stream) override;
  grpc::Status Acknowledge(grpc::ServerContext* context, const v1::AcknowledgeRequest* request,
                           v1::AcknowledgeResponse* response) override;
  grpc::Status ListUnattributed(grpc::ServerContext* context, const v1::ListUnattributedRequest* request,
                                v1::ListUnattributedResponse* response) override;
  grpc::Status Settle(grpc::ServerContext* context, const v1::SettleRequest* request,
                      v1::SettleResponse* response) override;
  grpc::Status CloseAlarms(grpc::ServerContext* context, const v1::CloseAlarmsRequest* request,
                           v1::CloseAlarmsResponse* response) override;

 private:
  RecordStore& store_;
  Guard& guard_;
  WatchService& live_;
};

}  // namespace wardlink::storage

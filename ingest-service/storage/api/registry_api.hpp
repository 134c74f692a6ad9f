#pragma once
// wardlink.v1.DeviceService and PatientService; the .proto says what each call means.

#include "storage/access/guard.hpp"
#include "storage/api/calendar_watch.hpp"
#include "storage/port/registry_store.hpp"
#include "wardlink/v1/registry.grpc.pb.h"

namespace wardlink::storage {

class DeviceApi final : public v1::DeviceService::Service {
 public:
  DeviceApi(RegistryStore& store, CalendarWatch& calendar, Guard& guard)
      : store_(store), calendar_(calendar), guard_(guard) {}

  grpc::Status CreateDevice(grpc::ServerContext* context, const v1::CreateDeviceRequest* request,
                            v1::Device* response) override;
  grpc::Status ListDevices(grpc::ServerContext* context, const v1::ListDevicesRequest* request,
                           v1::ListDevicesResponse* response) override;
  grpc::Status GetDevice(grpc::ServerContext* context, const v1::GetDeviceRequest* request,
                         v1::Device* response) override;
  grpc::Status GetDeviceClock(grpc::ServerContext* context, const v1::GetDeviceClockRequest* request,
                              v1::DeviceClock* response) override;
  grpc::Status AssignDevice(grpc::ServerContext* context, const v1::AssignDeviceRequest* request,
                            v1::Assignment* response) override;
  grpc::Status ReleaseDevice(grpc::ServerContext* context, const v1::ReleaseDeviceRequest* request,
                             v1::Assignment* response) override;

 private:
  RegistryStore& store_;
  CalendarWatch& calendar_;
  Guard& guard_;
};

class PatientApi final : public v1::PatientService::Service {
 public:
  PatientApi(RegistryStore& store, CalendarWatch& calendar, Guard& guard)
      : store_(store), calendar_(calendar), guard_(guard) {}

  grpc::Status CreatePatient(grpc::ServerContext* context, const v1::CreatePatientRequest* request,
                             v1::Patient* response) override;
  grpc::Status ListPatients(grpc::ServerContext* context, const v1::ListPatientsRequest* request,
                            v1::ListPatientsResponse* response) override;
  grpc::Status GetPatient(grpc::ServerContext* context, const v1::GetPatientRequest* request,
                          v1::Patient* response) override;
  grpc::Status DischargePatient(grpc::ServerContext* context, const v1::DischargePatientRequest* request,
                                v1::Discharge* response) override;

 private:
  RegistryStore& store_;
  CalendarWatch& calendar_;
  Guard& guard_;
};

}  // namespace wardlink::storage

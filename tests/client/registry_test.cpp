#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::HasSubstr;

void add_patient(v1::ListPatientsResponse& response, const char* id, const char* called) {
  v1::Patient& patient = *response.add_patients();
  patient.set_name(std::string("patients/") + id);
  patient.set_display_name(called);
}

/// Two pages: Bed 1, Bed 2 | Bed 2, and one who is called like the id of Bed 1.
class Registry : public ClientTest {
 protected:
  Registry() {
    patients_.list = [](const v1::ListPatientsRequest& request, v1::ListPatientsResponse& response) {
      if (request.page_token().empty()) {
        add_patient(response, "p1", "Bed 1");
        add_patient(response, "p2", "Bed 2");
        response.set_next_page_token("more");
      } else {
        add_patient(response, "p3", "Bed 2");
        add_patient(response, "p4", "p1");
      }
      return grpc::Status::OK;
    };
    patients_.get = [this](const v1::GetPatientRequest& request, v1::Patient& patient) {
      asked_ = request.name();
      patient.set_name(request.name());
      patient.set_display_name("Bed 1");
      patient.add_devices("devices/urn:dev:os:32473-a");
      *patient.mutable_create_time() = before_noon(0);
      return grpc::Status::OK;
    };
    devices_.assign = [this](const v1::AssignDeviceRequest& request, v1::Assignment& assignment) {
      assigned_ = request;
      assignment.set_device(request.device());
      assignment.set_patient(request.patient());
      *assignment.mutable_held_from() = request.held_from();
      assignment.set_recorded_by("urn:wardlink:client:admin");
      return grpc::Status::OK;
    };
  }
  std::string asked_;
  v1::AssignDeviceRequest assigned_;
};

TEST_F(Registry, ListsPatientsOverSeveralPages) {
  const Answer answer = ask({"patients", "list"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("patients/p1  Bed 1"));
  EXPECT_THAT(answer.out, HasSubstr("patients/p4  p1"));
}

TEST_F(Registry, FindsAPatientByNameOrIdOrDisplayName) {
  for (const char* typed : {"patients/p1", "p1", "Bed 1"}) {
    asked_.clear();
    const Answer answer = ask({"patients", "show", typed});
    EXPECT_EQ(answer.code, 0) << answer.err;
    EXPECT_EQ(asked_, "patients/p1") << "an id goes before a display name";
    EXPECT_THAT(answer.out, HasSubstr("wears        urn:dev:os:32473-a"));
  }
}

TEST_F(Registry, DoesNotGuessBetweenTwoOfOneName) {
  const Answer answer = ask({"patients", "show", "Bed 2"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err, HasSubstr("2 patients are called \"Bed 2\": name one of patients/p2 patients/p3."));
  EXPECT_EQ(asked_, "");
}

// LIFE-1
TEST_F(Registry, DischargesAPatient) {
  v1::DischargePatientRequest asked;
  patients_.discharge = [&](const v1::DischargePatientRequest& request, v1::Discharge& discharge) {
    asked = request;
    discharge.set_patient(request.name());
    *discharge.mutable_discharge_time() = request.discharge_time();
    discharge.set_discharged_by("urn:wardlink:client:admin");
    for (const char* device : {"devices/urn:dev:os:32473-a", "devices/urn:dev:os:32473-b"})
      discharge.add_assignments()->set_device(device);
    return grpc::Status::OK;
  };
  const Answer answer = ask({"patients", "discharge", "Bed 1", "--at", "-10m"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(asked.name(), "patients/p1");
  EXPECT_EQ(asked.discharge_time().seconds(), before_noon(600).seconds());
  EXPECT_THAT(answer.out, HasSubstr("urn:dev:os:32473-a, urn:dev:os:32473-b"));
  EXPECT_THAT(answer.out, HasSubstr("urn:wardlink:client:admin"));
  ask({"patients", "discharge", "Bed 1"});
  EXPECT_FALSE(asked.has_discharge_time()) << "now is the server's";
  asked.Clear();
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"patients", "discharge", "Bed 1", "--at", ""},
                                             {"patients", "discharge", ""},
                                             {"quarantine", "list", ""},
                                             {"quarantine", "list", "--from", ""},
                                             {"devices", "release", "urn:dev:os:32473-a", "--at", ""}})
    EXPECT_EQ(ask(command).code, 2) << command.at(1) << ": a variable that is not set is no wish";
  EXPECT_EQ(asked.name(), "") << "nobody was discharged";
}

TEST_F(Registry, SaysThatNobodyIsCalledSo) {
  const Answer answer = ask({"patients", "show", "Bed 9"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("No patient is called \"Bed 9\""));
}

TEST_F(Registry, CreatesAPatientWithIdentifiers) {
  v1::Patient made;
  patients_.create = [&](const v1::CreatePatientRequest& request, v1::Patient& patient) {
    made = request.patient();
    patient = made;
    patient.set_name("patients/new");
    return grpc::Status::OK;
  };
  const Answer answer =
      ask({"patients", "create", "Bed 3", "--identifier", "http://h/?a=b=77", "--identifier", "mrn=8", "--json"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  ASSERT_EQ(made.identifiers_size(), 2);
  EXPECT_EQ(made.identifiers(0).system(), "http://h/?a=b");
  EXPECT_EQ(made.identifiers(0).value(), "77");
  EXPECT_THAT(answer.out, HasSubstr("\"name\": \"patients/new\""));
  EXPECT_EQ(ask({"patients", "create", "Bed 3", "--identifier", "mrn"}).code, 2);
}

TEST_F(Registry, AssignsFromAnInstantInThePast) {
  const Answer answer = ask({"devices", "assign", "urn:dev:os:32473-a", "Bed 1", "--from", "-1w"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(assigned_.device(), "devices/urn:dev:os:32473-a");
  EXPECT_EQ(assigned_.patient(), "patients/p1");
  EXPECT_EQ(assigned_.held_from().seconds(), before_noon(604'800).seconds());
  EXPECT_THAT(answer.out, HasSubstr("until        still worn"));
}

TEST_F(Registry, AssignsFromNowByTheServersClock) {
  ask({"devices", "assign", "urn:dev:os:32473-a", "patients/p1"});
  EXPECT_FALSE(assigned_.has_held_from());
}

TEST_F(Registry, RefusesADeviceThatIsNone) {
  const Answer answer = ask({"devices", "assign", "Bed 1", "Bed 1"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err, HasSubstr("\"Bed 1\" names no device"));
}

TEST_F(Registry, Releases) {
  v1::ReleaseDeviceRequest released;
  devices_.release = [&](const v1::ReleaseDeviceRequest& request, v1::Assignment&) {
    released = request;
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"devices", "release", "devices/urn:dev:os:32473-a", "--at", "-5m"}).code, 0);
  EXPECT_EQ(released.device(), "devices/urn:dev:os:32473-a");
  EXPECT_EQ(released.held_until().seconds(), before_noon(300).seconds());
}

TEST_F(Registry, CreatesAndListsDevices) {
  devices_.create = [](const v1::CreateDeviceRequest& request, v1::Device& device) {
    device = request.device();
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"devices", "create", "urn:dev:os:32473-a"}).out, "urn:dev:os:32473-a is known now.\n");
  devices_.list = [](const auto&, v1::ListDevicesResponse& response) {
    v1::Device& device = *response.add_devices();
    device.set_name("devices/urn:dev:os:32473-a");
    device.set_patient("patients/p1");
    device.set_patient_display_name("Bed 1");
    *device.mutable_create_time() = before_noon(60);
    return grpc::Status::OK;
  };
  EXPECT_EQ(ask({"devices", "list"}).out,
            "DEVICE              WORN BY  PATIENT      HEARD  CREATED\n"
            "urn:dev:os:32473-a  Bed 1    patients/p1  never  2026-03-01T11:59:00Z\n");
}

}  // namespace
}  // namespace wardlink::command_line

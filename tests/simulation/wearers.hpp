#pragma once
// Who wears which device: patients, handovers, and what people write down of them: instants of the database's calendar,
// as it shows them then. What they write is the truth.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "chance.hpp"
#include "clock.hpp"
#include "sometimes.hpp"
#include "store.hpp"

namespace wardlink::simulation {

class Wearers {
 public:
  Wearers(Clock& clock, Chance chance, Sometimes& sometimes, Database& database);

  /// Before anything happens: each of these devices is put on somebody.
  void begin(const std::vector<std::string>& devices);
  /// To another patient; it happened `ago`, or as long ago as the device has been worn like that. While the database is
  /// away people try again.
  void hand_over(const std::string& device, coap::Duration ago = {});
  /// Nobody wears it from now on; now and then its wearer is discharged, with all that the patient wears.
  void take_off(const std::string& device);

  /// Whether somebody put the device on or took it off from `low` to `high`, as is written since before `at`.
  bool changed(const std::string& device, storage::Instant low, storage::Instant high, coap::Instant at) const;

  const std::vector<std::string>& patients() const { return patients_; }
  const std::string& ward_of(const std::string& patient) const { return wards_.at(patient); }
  /// Who wears the device now, as is written. Nothing: nobody, or what is written of it is not what was.
  std::optional<std::string> now(const std::string& device) const;
  /// Those that truly wore it at some time from `first` to `last`. Nothing: what is written of it is not what was. The
  /// calendar was set before it was written down, or back, so that what came earlier is written as if it came later.
  std::optional<std::vector<std::string_view>> truly(const std::string& device, coap::Instant first,
                                                     coap::Instant last) const;
  /// All that wore the device at some instant from `first` to `last`, as is written; "" stands for nobody.
  std::vector<std::string_view> during(const std::string& device, storage::Instant first, storage::Instant last) const;

 private:
  struct Period {
    std::string patient;
    coap::Instant from;
    std::optional<coap::Instant> until;
  };
  struct Written {
    std::string patient;
    std::optional<storage::Instant> until;
    coap::Instant at;  // when it was written
  };
  bool away();
  void write(RegistryCall call);
  bool is_written_worn(const std::string& device, storage::Instant at) const;
  void end(const std::string& device, coap::Instant at);
  void put_on(const std::string& device, coap::Instant at);
  void undo(const std::string& device, storage::Instant released);
  storage::Instant calendar(coap::Instant at) const;
  void note_order(const std::string& device, coap::Instant at);

  Clock& clock_;
  Chance chance_;
  Sometimes& sometimes_;
  Database& database_;
  std::vector<std::string> patients_;
  std::map<std::string, std::string> wards_;                            // by patient
  std::map<std::string, std::vector<Period>> periods_;                  // by device, in their order
  std::map<std::string, std::map<storage::Instant, Written>> written_;  // by device, from when on
  std::set<std::string> confused_;  // devices of which what is written is not what was
};

}  // namespace wardlink::simulation

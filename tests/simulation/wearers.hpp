#pragma once
// Who wears which device: patients, handovers, and what people write down of them. What they write is the truth: the
// calendar that they read is the database's.

#include <map>
#include <optional>
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

  const std::vector<std::string>& patients() const { return patients_; }
  /// All that wore the device at some instant from `first` to `last`; "" stands for nobody.
  std::vector<std::string_view> during(const std::string& device, coap::Instant first, coap::Instant last) const;

 private:
  struct Period {
    std::string patient;
    coap::Instant from;
    std::optional<coap::Instant> until;
  };
  bool away();
  void end(const std::string& device, coap::Instant at);
  void put_on(const std::string& device, coap::Instant at);
  storage::Instant calendar(coap::Instant at) const;

  Clock& clock_;
  Chance chance_;
  Sometimes& sometimes_;
  Database& database_;
  std::vector<std::string> patients_;
  std::map<std::string, std::vector<Period>> periods_;  // by device, in their order
};

}  // namespace wardlink::simulation

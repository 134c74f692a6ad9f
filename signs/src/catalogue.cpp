#include "signs/catalogue.hpp"

#include <algorithm>
#include <array>

namespace signs {
namespace {

// Tolerances, in seconds. What is measured without a break is not current once so much of it is missing.
constexpr std::uint32_t continuous = 75, spot = 0;

// Rows in the order of their ids, which are permanent: a sign that goes out of use keeps its row, a new one gets the
// next id. LOINC codes are those of the FHIR vital-signs profiles where these name one; MDC codes are context-free
// codes of ISO/IEEE 11073-10101. The plausible range says what a sensor can have seen of a living patient, not what is
// healthy.
//
// Units on the wire: SenML has no percent for a ratio of quantities. "%RH" is relative humidity and "%EL" battery
// level;
// "/" is the plain ratio, 0.97 where we say 97; "/100" (RFC 8798) is a hundredth of "/", so it means UCUM's "%". SenML
// has no mm[Hg]: a pressure has to leave `u` out.
constexpr std::array kCatalogue{
    Sign{1, "hr", "heart-rate", "Heart rate", "/min", "beat/min", 20, 300, 1, "8867-4", 147842, continuous},
    Sign{2, "spo2", "oxygen-saturation", "Oxygen saturation", "%", "/100", 50, 100, 1, "59408-5", 150456, continuous},
    Sign{3, "rr", "respiratory-rate", "Respiratory rate", "/min", "1/min", 1, 80, 1, "9279-1", 151562, continuous},
    Sign{4, "temp", "body-temperature", "Body temperature", "Cel", "Cel", 25, 45, 0.1, "8310-5", 150364, spot},
    Sign{5, "sbp", "systolic-pressure", "Systolic blood pressure", "mm[Hg]", "", 30, 300, 1, "8480-6", 150021, spot},
    Sign{6, "dbp", "diastolic-pressure", "Diastolic blood pressure", "mm[Hg]", "", 10, 200, 1, "8462-4", 150022, spot},
    Sign{7, "map", "mean-pressure", "Mean blood pressure", "mm[Hg]", "", 20, 250, 1, "8478-0", 150023, spot},
    Sign{8, "pr", "pulse-rate", "Pulse rate", "/min", "beat/min", 20, 300, 1, "8889-8", 149530, continuous},
    Sign{9, "skin-temp", "skin-temperature", "Skin temperature", "Cel", "Cel", 10, 45, 0.1, "39106-0", 150388,
         continuous},
    Sign{10, "etco2", "end-tidal-co2", "End-tidal CO2", "mm[Hg]", "", 1, 150, 1, "19891-1", 151708, continuous},
    Sign{11, "pi", "perfusion-index", "Perfusion index", "%", "/100", 0.01, 30, 0.01, "61006-3", 150488, continuous},
};

constexpr bool ids_count_from_one() {
  for (std::size_t i = 0; i < kCatalogue.size(); ++i)
    if (kCatalogue[i].id != i + 1) return false;
  return true;
}
static_assert(ids_count_from_one(), "ids are permanent and dense: find() indexes by them");

constexpr bool names_are_unique() {
  for (std::size_t i = 0; i < kCatalogue.size(); ++i) {
    if (kCatalogue[i].wire == kCatalogue[i].long_name) return false;
    for (std::size_t j = i + 1; j < kCatalogue.size(); ++j)
      for (const std::string_view name : {kCatalogue[j].wire, kCatalogue[j].long_name})
        if (name == kCatalogue[i].wire || name == kCatalogue[i].long_name) return false;
  }
  return true;
}
static_assert(names_are_unique(), "a name on the wire means one sign");

constexpr bool codes_are_unique() {
  for (std::size_t i = 0; i < kCatalogue.size(); ++i)
    for (std::size_t j = i + 1; j < kCatalogue.size(); ++j)
      if (kCatalogue[i].loinc == kCatalogue[j].loinc || kCatalogue[i].mdc == kCatalogue[j].mdc) return false;
  return true;
}
static_assert(codes_are_unique(), "two signs with one code would be one sign to a receiver");

// Records and alarm fields share the names of a payload with the signs.
constexpr bool no_name_is_reserved() {
  for (const Sign& sign : kCatalogue)
    for (const std::string_view word : {"q", "tk", "owed", "ev", "on", "kind", "prio", "code", "lim", "time"})
      if (sign.wire == word || sign.long_name == word) return false;
  return true;
}
static_assert(no_name_is_reserved(), "the wire uses this name for something else (docs/wire.md)");

}  // namespace

std::span<const Sign> catalogue() { return kCatalogue; }

const Sign* find(SignId id) { return id >= 1 && id <= kCatalogue.size() ? &kCatalogue[id - 1u] : nullptr; }

const Sign* find(std::string_view wire_or_long_name) {
  const auto sign = std::find_if(kCatalogue.begin(), kCatalogue.end(), [&](const Sign& row) {
    return row.wire == wire_or_long_name || row.long_name == wire_or_long_name;
  });
  return sign != kCatalogue.end() ? &*sign : nullptr;
}

bool plausible(const Sign& sign, double value) { return value >= sign.plausible_low && value <= sign.plausible_high; }

bool stale(SignId id, std::chrono::microseconds age) {
  const Sign* sign = find(id);
  const auto tolerance = sign ? sign->tolerance_s : continuous;
  return tolerance != 0 && age > std::chrono::seconds{tolerance};
}

}  // namespace signs

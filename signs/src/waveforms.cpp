#include "signs/waveforms.hpp"

#include <algorithm>
#include <array>

namespace signs {
namespace {

// Rows in the order of their ids, which are permanent. PPG and respiration have no absolute scale: sensors differ, so
// their unit is the plain number.
constexpr std::array kWaveforms{
    Waveform{1, "ecg", "Electrocardiogram", "mV", "mV", 50, 1000, 131328},
    Waveform{2, "ppg", "Photoplethysmogram", "1", "/", 10, 1000, 150452},
    Waveform{3, "resp", "Respiration", "1", "/", 5, 500, 151780},
};

static_assert(kWaveforms.size() == kWaveformCount);

constexpr bool ids_count_from_one() {
  for (std::size_t i = 0; i < kWaveforms.size(); ++i)
    if (kWaveforms[i].id != i + 1) return false;
  return true;
}
static_assert(ids_count_from_one(), "ids are permanent and dense: find_waveform() indexes by them");

constexpr bool names_are_unique() {
  for (std::size_t i = 0; i < kWaveforms.size(); ++i) {
    for (std::size_t j = i + 1; j < kWaveforms.size(); ++j)
      if (kWaveforms[i].wire == kWaveforms[j].wire || kWaveforms[i].mdc == kWaveforms[j].mdc) return false;
    for (const std::string_view word : {"q", "tk", "rate", "per", "scale", "off"})
      if (kWaveforms[i].wire == word) return false;
  }
  return true;
}
static_assert(names_are_unique(), "a name in a payload means one thing (docs/wire.md)");

}  // namespace

std::span<const Waveform> waveforms() { return kWaveforms; }

const Waveform* find_waveform(WaveformId id) {
  return id >= 1 && id <= kWaveforms.size() ? &kWaveforms[id - 1u] : nullptr;
}

const Waveform* find_waveform(std::string_view wire) {
  const auto row = std::ranges::find(kWaveforms, wire, &Waveform::wire);
  return row != kWaveforms.end() ? &*row : nullptr;
}

bool allowed(const Waveform& waveform, SampleRate rate) {
  const auto within = [](std::uint32_t part) { return part >= 1 && part <= kHighestRatePart; };
  return within(rate.samples) && within(rate.seconds) && rate.hz() >= waveform.lowest_hz &&
         rate.hz() <= waveform.highest_hz;
}

bool is_run(SampleRate rate, std::size_t samples) {
  return samples >= 1 && samples <= std::size_t{kLongestRunSeconds} * rate.samples / rate.seconds;
}

}  // namespace signs

#include "feed.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "wardlink/clock.hpp"

namespace ward {
namespace {

double value_of(const wardlink::MeasurementSet& set, std::string_view sign) {
  const auto id = signs::find(sign)->id;
  return std::ranges::find(set.readings, id, &wardlink::Reading::sign)->value;
}

/// A recorded waveform, block by block.
class WaveformReel {
 public:
  explicit WaveformReel(WaveformRecording recording)
      : recording_(std::move(recording)),
        block_(static_cast<std::size_t>(std::max(1.0, std::floor(recording_.options.rate.hz())))) {}

  bool ended() const { return next_ == recording_.samples.size(); }
  SampleBlock block() const {
    const auto samples = std::span(recording_.samples).subspan(next_, size());
    return {&recording_.options.name, samples, tick_ms(next_)};
  }
  /// When its last sample has been taken.
  std::uint64_t due_ms() const { return tick_ms(next_ + size()); }
  void take() { next_ += size(); }

 private:
  std::size_t size() const { return std::min(block_, recording_.samples.size() - next_); }
  std::uint64_t tick_ms(std::size_t sample) const {
    return static_cast<std::uint64_t>(std::llround(static_cast<double>(sample) * 1000 / recording_.options.rate.hz()));
  }

  WaveformRecording recording_;
  std::size_t block_, next_ = 0;
};

class RecordingFeed final : public Feed {
 public:
  RecordingFeed(Recording recording, std::vector<WaveformRecording> waveforms, std::optional<double> speed)
      : recording_(std::move(recording)), speed_(speed) {
    for (auto& waveform : waveforms) reels_.emplace_back(std::move(waveform));
  }

  const wardlink::MeasurementSet* due(double elapsed_s) override {
    if (next_ == recording_.sets.size()) return nullptr;
    const auto& set = recording_.sets[next_];
    return reached(*set.tick_ms, elapsed_s) ? &set : nullptr;
  }
  void take() override { ++next_; }
  std::optional<SampleBlock> due_block(double elapsed_s) override {
    const auto* reel = earliest();
    if (reel == nullptr || !reached(reel->due_ms(), elapsed_s)) return std::nullopt;
    return reel->block();
  }
  void take_block() override { earliest()->take(); }
  bool over(double elapsed_s) const override {
    return next_ == recording_.sets.size() && reached(recording_.length_ms, elapsed_s) &&
           std::ranges::all_of(reels_, &WaveformReel::ended);
  }

 private:
  bool reached(std::uint64_t tick_ms, double elapsed_s) const {
    return !speed_ || static_cast<double>(tick_ms) <= elapsed_s * *speed_ * 1000;
  }
  WaveformReel* earliest() {
    WaveformReel* first = nullptr;
    for (auto& reel : reels_) {
      if (!reel.ended() && (first == nullptr || reel.due_ms() < first->due_ms())) first = &reel;
    }
    return first;
  }

  Recording recording_;
  std::vector<WaveformReel> reels_;
  std::optional<double> speed_;
  std::size_t next_ = 0;
};

class ModelFeed final : public Feed {
 public:
  ModelFeed(std::uint64_t seed, const std::vector<std::string>& waveforms)
      : body_(seed), set_(body_.next()), waveforms_(waveforms) {}

  const wardlink::MeasurementSet* due(double elapsed_s) override {
    return static_cast<double>(second_) <= elapsed_s ? &set_ : nullptr;
  }
  /// The samples of the second that begins with a set are there when the next set is.
  void take() override {
    auto second = waveforms_.next(value_of(set_, "hr"), value_of(set_, "rr"));
    set_ = body_.next();
    ++second_;
    for (std::size_t i = 0; i < second.samples.size(); ++i)
      blocks_.push_back({second_, i, std::move(second.samples[i])});
  }
  std::optional<SampleBlock> due_block(double elapsed_s) override {
    if (blocks_.empty() || static_cast<double>(blocks_.front().due_s) > elapsed_s) return std::nullopt;
    return SampleBlock{&waveforms_.options()[blocks_.front().waveform].name, blocks_.front().samples, std::nullopt};
  }
  void take_block() override { blocks_.pop_front(); }
  bool over(double) const override { return false; }

 private:
  struct Block {
    std::uint64_t due_s;
    std::size_t waveform;
    std::vector<double> samples;
  };

  Physiology body_;
  wardlink::MeasurementSet set_;
  WaveformModel waveforms_;
  std::deque<Block> blocks_;
  std::uint64_t second_ = 0;
};

}  // namespace

std::unique_ptr<Feed> play(Recording recording, std::vector<WaveformRecording> waveforms, std::optional<double> speed) {
  return std::make_unique<RecordingFeed>(std::move(recording), std::move(waveforms), speed);
}

std::function<std::uint64_t()> replay_clock(std::uint64_t length_ms) {
  return [length_ms, origin = wardlink::host_tick()] { return length_ms + (wardlink::host_tick() - origin); };
}

std::unique_ptr<Feed> model(std::uint64_t seed, const std::vector<std::string>& waveforms) {
  return std::make_unique<ModelFeed>(seed, waveforms);
}

}  // namespace ward

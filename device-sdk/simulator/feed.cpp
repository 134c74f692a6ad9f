#include "feed.hpp"

#include <utility>

namespace ward {
namespace {

class RecordingFeed final : public Feed {
 public:
  RecordingFeed(Recording recording, std::optional<double> speed) : recording_(std::move(recording)), speed_(speed) {}

  const wardlink::MeasurementSet* due(double elapsed_s) override {
    if (next_ == recording_.sets.size()) return nullptr;
    const auto& set = recording_.sets[next_];
    return reached(*set.tick_ms, elapsed_s) ? &set : nullptr;
  }
  void take() override { ++next_; }
  bool over(double elapsed_s) const override {
    return next_ == recording_.sets.size() && reached(recording_.length_ms, elapsed_s);
  }

 private:
  bool reached(std::uint64_t tick_ms, double elapsed_s) const {
    return !speed_ || static_cast<double>(tick_ms) <= elapsed_s * *speed_ * 1000;
  }

  Recording recording_;
  std::optional<double> speed_;
  std::size_t next_ = 0;
};

class ModelFeed final : public Feed {
 public:
  explicit ModelFeed(std::uint64_t seed) : body_(seed), set_(body_.next()) {}

  const wardlink::MeasurementSet* due(double elapsed_s) override {
    return static_cast<double>(second_) <= elapsed_s ? &set_ : nullptr;
  }
  void take() override {
    set_ = body_.next();
    ++second_;
  }
  bool over(double) const override { return false; }

 private:
  Physiology body_;
  wardlink::MeasurementSet set_;
  std::uint64_t second_ = 0;
};

}  // namespace

std::unique_ptr<Feed> play(Recording recording, std::optional<double> speed) {
  return std::make_unique<RecordingFeed>(std::move(recording), speed);
}

std::unique_ptr<Feed> model(std::uint64_t seed) { return std::make_unique<ModelFeed>(seed); }

}  // namespace ward

#include "waveform_resources.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "payload.hpp"

namespace wardlink {
namespace {

constexpr std::size_t kMostRuns = 8;  // a slow waveform's backlog: several short runs share a datagram

std::string path_of(const WaveformOptions& waveform) { return "/waveforms/" + waveform.name; }

coap::Response content(coap::Bytes payload) {
  return {coap::code::content, coap::content_format::senml_cbor, std::move(payload), {}};
}

}  // namespace

WaveformResources::WaveformResources(Recorder& recorder, std::uint64_t boot, NotificationCounters& counters)
    : recorder_(recorder), boot_(boot), counters_(counters) {
  for (std::size_t i = 0; i < recorder.waveform_count(); ++i) {
    all_.push_back({i, path_of(recorder.waveform_options(i)), {}, {}, {}, {}});
  }
}

std::vector<coap::Link> WaveformResources::links(const Recorder& recorder) {
  std::vector<coap::Link> links;
  for (std::size_t i = 0; i < recorder.waveform_count(); ++i) {
    links.push_back(
        {path_of(recorder.waveform_options(i)), {{"obs", std::nullopt}, {"rt", "wardlink.waveform"}, {"ct", "112"}}});
  }
  return links;
}

const WaveformResources::One* WaveformResources::find(std::string_view path) const {
  const auto one = std::ranges::find(all_, path, &One::path);
  return one != all_.end() ? &*one : nullptr;
}

bool WaveformResources::get(coap::Connection& connection, const coap::event::RequestReceived& request,
                            coap::Instant now) {
  auto& one = *std::ranges::find(all_, request.path, &One::path);
  if (request.observe != 0u) {
    const auto latest = recorder_.latest_run(boot_, one.index);
    const auto runs = latest ? std::vector{*latest} : std::vector<SequencedRun>{};
    const auto fitted = payload::waveform(recorder_.waveform_options(one.index), runs);
    connection.respond(request.exchange, content(fitted.bytes), now);
    return false;
  }
  auto waiting = take_waiting(one);
  const auto observer = connection.respond_observed(request.exchange, std::move(waiting.response), now);
  recorder_.runs_sent(waiting.runs.size());
  if (one.observer && *one.observer != observer) connection.remove_observer(*one.observer);
  one.observer = observer;
  one.confirmed_at = now;
  return true;
}

// -- what became of notifications ------------------------------------------------------------------------------------

bool WaveformResources::handle(const coap::event::NotificationAcknowledged& acknowledged) {
  const auto one = std::ranges::find(all_, std::optional{acknowledged.delivery}, &One::confirmable);
  if (one == all_.end()) return false;
  recorder_.runs_sent(one->unconfirmed.size());
  one->unconfirmed.clear();
  one->confirmable.reset();
  return true;
}

void WaveformResources::leave(coap::ObserverId observer) {
  for (auto& one : all_) {
    if (one.observer != observer) continue;
    one.observer.reset();
    take_back(one);
  }
}

void WaveformResources::abandon() {
  for (auto& one : all_) take_back(one);
}

void WaveformResources::take_back(One& one) {
  recorder_.give_back(boot_, one.index, std::exchange(one.unconfirmed, {}));
  one.confirmable.reset();
}

// -- notifications ---------------------------------------------------------------------------------------------------

bool WaveformResources::due() const {
  return std::ranges::any_of(all_, [this](const One& one) { return due(one); });
}

void WaveformResources::notify_one(coap::Connection& connection, coap::Instant now) {
  for (std::size_t tried = 0; tried < all_.size(); ++tried) {
    auto& one = all_[turn_++ % all_.size()];
    if (due(one)) return notify(one, connection, now);
  }
}

void WaveformResources::notify(One& one, coap::Connection& connection, coap::Instant now) {
  auto waiting = take_waiting(one);
  const bool confirm = one.confirmed_at + kConfirmAfter <= now && !one.confirmable;
  const auto reliability = confirm ? coap::Reliability::con : coap::Reliability::non;
  const auto delivery =
      connection.notify(*one.observer, std::move(waiting.response), reliability, coap::Slot::ordinary, now);
  if (confirm) {
    one.confirmable = delivery;
    one.confirmed_at = now;
    one.unconfirmed = std::move(waiting.runs);
    ++counters_.con_notifications;
  } else {
    recorder_.runs_sent(waiting.runs.size());
    ++counters_.non_notifications;
  }
}

WaveformResources::Waiting WaveformResources::take_waiting(const One& one) {
  auto runs = recorder_.take_runs(boot_, one.index, kMostRuns);
  auto fitted = payload::waveform(recorder_.waveform_options(one.index), runs);
  const auto rest = runs.begin() + static_cast<std::ptrdiff_t>(fitted.count);
  recorder_.give_back(boot_, one.index, {std::make_move_iterator(rest), std::make_move_iterator(runs.end())});
  runs.erase(rest, runs.end());
  return {content(std::move(fitted.bytes)), std::move(runs)};
}

}  // namespace wardlink

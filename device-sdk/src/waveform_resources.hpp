#pragma once
// What /waveforms/<name> answers, and what it notifies of: the part of Resources that is there for each waveform that
// the device has. Sans-I/O, one object a session.

#include <optional>
#include <string_view>
#include <vector>

#include "coap/connection.hpp"
#include "coap/link_format.hpp"
#include "notification_counters.hpp"
#include "recorder.hpp"

namespace wardlink {

class WaveformResources {
 public:
  WaveformResources(Recorder& recorder, std::uint64_t boot, NotificationCounters& counters);

  /// What registration advertises: nothing where the device has no waveform.
  static std::vector<coap::Link> links(const Recorder& recorder);

  bool has(std::string_view path) const { return find(path) != nullptr; }
  /// GET of one of them. True: it was observed, and what waited has gone.
  bool get(coap::Connection& connection, const coap::event::RequestReceived& request, coap::Instant now);

  /// False: not of these.
  bool handle(const coap::event::NotificationAcknowledged& acknowledged);
  void handle(const coap::event::ObserverLost& lost) { leave(lost.observer); }
  void handle(const coap::event::ObserverLeft& left) { leave(left.observer); }

  /// Somebody observes a waveform of which a run waits.
  bool due() const;
  /// One notification, of the waveform whose turn it is.
  void notify_one(coap::Connection& connection, coap::Instant now);
  /// The session is over: runs in a notification that nobody acknowledged wait again.
  void abandon();

 private:
  struct One {
    std::size_t index;  // in the recorder
    std::string path;
    std::optional<coap::ObserverId> observer;
    coap::Instant confirmed_at;  // the last notification that was Confirmable, or the registration
    std::optional<coap::DeliveryId> confirmable;
    std::vector<SequencedRun> unconfirmed;  // what it carries
  };
  struct Waiting {
    coap::Response response;
    std::vector<SequencedRun> runs;
  };

  const One* find(std::string_view path) const;
  bool due(const One& one) const { return one.observer && recorder_.runs_waiting(one.index) > 0; }
  Waiting take_waiting(const One& one);
  void notify(One& one, coap::Connection& connection, coap::Instant now);
  void leave(coap::ObserverId observer);
  void take_back(One& one);

  Recorder& recorder_;
  std::uint64_t boot_;  // of the session
  NotificationCounters& counters_;
  std::vector<One> all_;
  std::size_t turn_ = 0;
};

}  // namespace wardlink

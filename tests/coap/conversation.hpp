#pragma once
// A conversation: a wearable's end and ingest's end of one session, with a virtual network between them, in virtual
// time. A script says what the two want; small applications at both ends answer as the products do. Everything is
// written down, so that a transcript can be read and an oracle can judge (conversation_oracle.hpp).

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "coap/connection.hpp"
#include "lockstep.hpp"
#include "virtual_network.hpp"

namespace coap::testing {

struct ConversationConfig {
  std::uint64_t seed = 1;
  Connection::Config wearable, ingest;
  Duration commit_time = std::chrono::milliseconds{50};  // from a held notification to its acknowledge()
};

class Conversation {
 public:
  using Config = ConversationConfig;

  explicit Conversation(std::vector<Fault> faults = {}, const Config& config = {});

  // -- what a script says ----------------------------------------------------------------------------------------
  void pass(Duration duration);
  /// A GET whose answer is "answer to QUERY".
  RequestId ask(Side who, const std::string& path);
  ObservationId observe(const std::string& path);  // /alarms: held; else acknowledged at once
  void refresh(ObservationId observation);
  void cancel(ObservationId observation);
  DeliveryId notify(const std::string& path, const std::string& text, Reliability reliability = Reliability::con,
                    Code status = code::content);
  void ping(Side who);
  void close(Side who);
  void storage(bool there);  // away: nothing is committed, so nothing held is acknowledged
  void forge(Side to, const Bytes& datagram);

  Duration answer_time{};  // what both applications take to answer
  VirtualNetwork network;

  // -- what was seen ---------------------------------------------------------------------------------------------
  struct Sent {  // one message, as it left
    Side from;
    Instant at;
    Message message;
    Bytes bytes;
  };
  struct Arrived {
    Side to;
    Instant at;
    Bytes bytes;
    std::size_t answers = 0;  // datagrams that left at once because of it
  };
  struct Asked {
    std::string query;
    int answered = 0, failed = 0;
    bool after_close = false;
  };
  struct Served {
    Side by;
    std::string query;
    std::optional<std::uint32_t> observe;
  };
  struct Delivery {  // of the wearable's
    std::string text;
    ObserverId observer;
    Reliability reliability;
    Code status;
    int acknowledged = 0, failed = 0;
    std::uint32_t order = 0;
  };
  struct Heard {  // by ingest
    ObservationId observation;
    DeliveryId delivery;
    std::string text;
    bool fresh;
    bool confirmable;
    bool held;
    std::optional<Instant> committed;
  };

  std::vector<Sent> sent;
  std::vector<Arrived> arrived;
  std::map<std::pair<Side, RequestId>, Asked> asked;
  std::vector<Served> served;
  std::map<DeliveryId, Delivery> deliveries;
  std::vector<Heard> heard;
  std::map<std::string, ObserverId> observers;        // the wearable's, by path
  std::map<ObserverId, event::Failure> lost;          // ObserverLost
  std::set<ObserverId> left;                          // ObserverLeft, or replaced
  std::map<ObservationId, std::string> observations;  // ingest's that stand, by path
  std::vector<ObservationId> ended;
  std::vector<event::NotificationRejected> rejected;
  std::set<Side> closed;
  bool in_circles = false;  // an end asked to be woken again and again without time passing

  Connection& end(Side side) { return side == Side::wearable ? wearable : ingest; }

  Instant now{};
  Connection wearable;
  Connection ingest;

 private:
  void wake(Side side);
  void drain(Side side);
  void handle(Side side, Event event);
  void on(Side side, const event::RequestReceived& request);
  void on(const event::NotificationReceived& notification);
  void on(const event::ObserverLost& observer);
  void answer(Side side, const event::RequestReceived& request);
  void answer_observation(const event::RequestReceived& request);
  void remember_observer(const std::string& path, ObserverId observer);
  void commit();
  void later(Duration delay, std::function<void()> task) { tasks_.emplace(now + delay, std::move(task)); }
  std::optional<Instant> next() const;

  Config config_;
  std::multimap<Instant, std::function<void()>> tasks_;
  bool storage_there_ = true;
  int asked_so_far_ = 0;
  std::uint32_t notified_so_far_ = 0;
  std::map<std::string, int> answered_so_far_;
};

}  // namespace coap::testing

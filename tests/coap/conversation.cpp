#include "conversation.hpp"

#include <algorithm>

namespace coap::testing {
namespace {

Connection make_end(const char* peer, const Connection::Config& config, std::uint64_t seed) {
  return {std::make_unique<MemoryChannel>(PeerIdentity{peer, 0}), config, seeded(seed), Instant{}};
}

Response content(const std::string& text, Code status = code::content) { return {status, {}, bytes(text), {}}; }

void keep_earliest(std::optional<Instant>& earliest, std::optional<Instant> candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

}  // namespace

Conversation::Conversation(std::vector<Fault> faults, const Config& config)
    : network(std::move(faults)),
      wearable(make_end("ingest", config.wearable, config.seed * 2)),
      ingest(make_end("urn:dev:os:32473-a", config.ingest, config.seed * 2 + 1)),
      config_(config) {
  drain(Side::wearable);
  drain(Side::ingest);
}

// -- what a script says ----------------------------------------------------------------------------------------------

std::optional<Instant> Conversation::next() const {
  auto earliest = network.next();
  keep_earliest(earliest, wearable.next_deadline());
  keep_earliest(earliest, ingest.next_deadline());
  if (!tasks_.empty()) keep_earliest(earliest, tasks_.begin()->first);
  return earliest;
}

void Conversation::pass(Duration duration) {
  const auto until = now + duration;
  int without_progress = 0;
  for (auto due = next(); due && *due <= until; due = next()) {
    without_progress = *due <= now ? without_progress + 1 : 0;
    if (without_progress > 1000) {
      in_circles = true;
      return;
    }
    now = std::max(now, *due);
    if (network.next() && *network.next() <= now) {
      const auto [to, bytes] = network.take();
      const auto before = sent.size();
      arrived.push_back({to, now, bytes});
      const auto index = arrived.size() - 1;
      end(to).handle_datagram(bytes, now);
      drain(to);
      arrived[index].answers = sent.size() - before;
    } else if (!tasks_.empty() && tasks_.begin()->first <= now) {
      const auto task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
      task();
    } else {
      wake(Side::wearable);
      wake(Side::ingest);
    }
  }
  now = until;
}

void Conversation::wake(Side side) {
  if (const auto due = end(side).next_deadline(); !due || *due > now) return;
  end(side).handle_timeout(now);
  drain(side);
}

RequestId Conversation::ask(Side who, const std::string& path) {
  const auto query = "n=" + std::to_string(++asked_so_far_);
  const bool after_close = closed.contains(who);
  const auto id = end(who).request({code::get, path, {query}, {}, {}}, now);
  asked[{who, id}] = {query, 0, 0, after_close};
  drain(who);
  return id;
}

ObservationId Conversation::observe(const std::string& path) {
  const auto policy = path == "/alarms" ? AckPolicy::held : AckPolicy::at_once;
  const auto id = ingest.observe({code::get, path, {}, {}, {}}, policy, now);
  observations[id] = path;
  drain(Side::ingest);
  return id;
}

void Conversation::refresh(ObservationId observation) {
  ingest.refresh(observation, now);
  drain(Side::ingest);
}

void Conversation::cancel(ObservationId observation) {
  ingest.cancel(observation, now);
  observations.erase(observation);
  drain(Side::ingest);
}

DeliveryId Conversation::notify(const std::string& path, const std::string& text, Reliability reliability,
                                Code status) {
  const auto at = observers.find(path);
  if (at == observers.end()) return {};
  const auto slot = path == "/alarms" ? Slot::alarm : Slot::ordinary;
  const auto observer = at->second;
  const auto id = wearable.notify(observer, content(text, status), reliability, slot, now);
  deliveries[id] = {text, observer, reliability, status, 0, 0, ++notified_so_far_};
  if (!status.is_success()) observers.erase(path);  // RFC 7641 §4.2: that was the last one
  drain(Side::wearable);
  return id;
}

void Conversation::ping(Side who) {
  end(who).ping(now);
  drain(who);
}

void Conversation::close(Side who) {
  end(who).close(CloseReason::local, now);
  drain(who);
}

void Conversation::storage(bool there) {
  storage_there_ = there;
  if (there) later(config_.commit_time, [this] { commit(); });
}

void Conversation::forge(Side to, const Bytes& datagram) {
  end(to).handle_datagram(datagram, now);
  drain(to);
}

// -- the applications at both ends -----------------------------------------------------------------------------------

void Conversation::drain(Side side) {
  for (;;) {
    if (const auto datagram = end(side).poll_datagram()) {
      const auto decoded = decode(*datagram);
      if (decoded) sent.push_back({side, now, *decoded, *datagram});
      network.send(side, *datagram, now);
    } else if (auto event = end(side).poll_event()) {
      handle(side, std::move(*event));
    } else {
      return;
    }
  }
}

void Conversation::handle(Side side, Event event) {
  if (const auto* request = std::get_if<event::RequestReceived>(&event)) return on(side, *request);
  if (const auto* heard_now = std::get_if<event::NotificationReceived>(&event)) return on(*heard_now);
  if (const auto* gone = std::get_if<event::ObserverLost>(&event)) return on(*gone);
  if (const auto* response = std::get_if<event::ResponseReceived>(&event)) {
    auto& question = asked.at({side, response->request});
    ++question.answered;
    EXPECT_EQ(response->payload, bytes("answer to " + question.query)) << "the answer to another question";
  }
  if (const auto* failed = std::get_if<event::RequestFailed>(&event)) ++asked.at({side, failed->request}).failed;
  if (const auto* over = std::get_if<event::ObservationEnded>(&event)) {
    observations.erase(over->observation);
    ended.push_back(over->observation);
  }
  if (const auto* refused = std::get_if<event::NotificationRejected>(&event)) rejected.push_back(*refused);
  if (const auto* acknowledged = std::get_if<event::NotificationAcknowledged>(&event)) {
    ++deliveries.at(acknowledged->delivery).acknowledged;
  }
  if (const auto* gone = std::get_if<event::ObserverLeft>(&event)) {
    left.insert(gone->observer);
    std::erase_if(observers, [&](const auto& o) { return o.second == gone->observer; });
  }
  if (std::holds_alternative<event::Closed>(event)) closed.insert(side);
}

void Conversation::on(Side side, const event::RequestReceived& request) {
  served.push_back({side, request.queries.empty() ? "" : request.queries.front(), request.observe});
  if (answer_time == Duration{}) return answer(side, request);
  later(answer_time, [this, side, request] {
    answer(side, request);
    drain(side);
  });
}

void Conversation::answer(Side side, const event::RequestReceived& request) {
  if (request.observe == 0u) return answer_observation(request);
  const auto query = request.queries.empty() ? "" : request.queries.front();
  end(side).respond(request.exchange, content("answer to " + query), now);
}

/// As the device's resources do: /alarms separately, /once without becoming an observer, /gone not at all.
void Conversation::answer_observation(const event::RequestReceived& request) {
  const auto text = request.path.substr(1) + " " + std::to_string(++answered_so_far_[request.path]);
  if (request.path == "/once") return wearable.respond(request.exchange, content(text), now);
  if (request.path == "/gone") return wearable.respond(request.exchange, content(text, code::not_found), now);
  if (request.path != "/alarms") {
    return remember_observer(request.path, wearable.respond_observed(request.exchange, content(text), now));
  }
  const auto [observer, delivery] =
      wearable.respond_observed_separately(request.exchange, content(text), Slot::alarm, now);
  if (observer == ObserverId{}) return;  // the session ended first
  deliveries[delivery] = {text, observer, Reliability::con, code::content, 0, 0, ++notified_so_far_};
  remember_observer(request.path, observer);
}

void Conversation::remember_observer(const std::string& path, ObserverId observer) {
  if (observer == ObserverId{}) return;
  if (const auto at = observers.find(path); at != observers.end() && at->second != observer) {
    wearable.remove_observer(at->second);
    left.insert(at->second);
  }
  observers[path] = observer;
}

void Conversation::on(const event::ObserverLost& observer) {
  lost.emplace(observer.observer, observer.why);
  for (const auto delivery : observer.failed) ++deliveries.at(delivery).failed;
  std::erase_if(observers, [&](const auto& o) { return o.second == observer.observer; });
}

void Conversation::on(const event::NotificationReceived& notification) {
  const auto at = observations.find(notification.observation);
  const auto path = at == observations.end() ? "" : at->second;
  EXPECT_NE(path, "") << "a notification of an observation that does not stand";
  const bool held = path == "/alarms" && notification.confirmable;
  heard.push_back({notification.observation,
                   notification.delivery,
                   {notification.payload.begin(), notification.payload.end()},
                   notification.fresh,
                   notification.confirmable,
                   held,
                   {}});
  if (held && storage_there_) later(config_.commit_time, [this] { commit(); });
}

void Conversation::commit() {
  if (!storage_there_) return;
  for (std::size_t i = 0; i < heard.size(); ++i) {
    if (!heard[i].held || heard[i].committed) continue;
    heard[i].committed = now;
    ingest.acknowledge(heard[i].delivery, now);
  }
  drain(Side::ingest);
}

}  // namespace coap::testing

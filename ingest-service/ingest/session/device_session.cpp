#include "ingest/session/device_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "coap/link_format.hpp"
#include "ingest/session/diagnostic.hpp"
#include "names/urn.hpp"

namespace wardlink::ingest {
namespace {

void keep_earliest(std::optional<coap::Instant>& earliest, const std::optional<coap::Instant>& candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

/// RFC 7641 §3.3.1: 5 to 15 s, so that those who fall silent together are not all asked at once.
coap::Duration draw_patience(const coap::Random& random) {
  std::array<std::uint8_t, 4> bytes{};
  random(bytes);
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  constexpr coap::Duration least = std::chrono::seconds{5}, span = std::chrono::seconds{10};
  return least + span * static_cast<coap::Duration::rep>(number) / (1LL << 32);
}

}  // namespace

DeviceSession::DeviceSession(SinkSession name, Shared& shared, std::string address)
    : name_(name),
      shared_(shared),
      address_(std::move(address)),
      debts_(shared.config.open_alarms),
      quarantine_(shared.config.quarantined),
      posts_(name, {shared.sink, shared.stats, shared.draw_ticket, shared.draw_boot}, shared.config.posts) {}

void DeviceSession::handle(const coap::Event& event, coap::Connection* connection, coap::Instant now) {
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { on(what, connection, now); })
          on(what, connection, now);
        else if (connection != nullptr)  // else it is gone: Closed is on its way
          on(what, *connection, now);
      },
      event);
  if (connection == nullptr || std::holds_alternative<coap::event::Closed>(event)) return;
  note_excess(connection->counters(), now);
  run_watches(*connection, now);
}

void DeviceSession::on(const coap::event::Opened&, coap::Connection& connection, coap::Instant) {
  device_ = connection.peer().uri;
  shared_.sink.audit({device_, "handshake", true, "", address_});
}

void DeviceSession::on(const coap::event::Closed&, coap::Connection*, coap::Instant) {
  for (const auto& line : tally_.rest()) write(line);
  if (registered()) shared_.sink.detach(name_);
  shared_.stats.held_acks -= debts_.held();
  debts_ = AlarmDebts(0);
  posts_.end();
  watches_ = {};
  lifetime_check_.reset();
}

// -- what the device asks ---------------------------------------------------------------------------------------------

/// What ingest serves, a row each. `<n>` stands for the number of the session's own registration.
struct DeviceSession::Served {
  std::string_view path;
  coap::Code method;  // the only one
  Answer answer;
  std::string_view type;     // `rt` in /.well-known/core; empty: not listed there
  std::string_view formats;  // `ct`
};

constexpr std::array<DeviceSession::Served, 6> DeviceSession::served{{
    {"/rd", coap::code::post, &DeviceSession::answer_registration, "core.rd", "40"},
    {"/rd/<n>", coap::code::post, &DeviceSession::answer_update, "", ""},
    {"/time", coap::code::get, &DeviceSession::answer_time, "wardlink.time", "110 112"},
    {"/vitals", coap::code::post, &DeviceSession::answer_post<Resource::vitals>, "wardlink.vitals", "110 112"},
    {"/alarms", coap::code::post, &DeviceSession::answer_post<Resource::alarms>, "wardlink.alarms", "110 112"},
    {"/.well-known/core", coap::code::get, &DeviceSession::answer_core, "", ""},
}};

void DeviceSession::on(const coap::event::RequestReceived& request, coap::Connection& connection, coap::Instant now) {
  if (auto response = answer(request, now)) connection.respond(request.exchange, std::move(*response), now);
}

std::optional<coap::Response> DeviceSession::answer(const coap::event::RequestReceived& request, coap::Instant now) {
  const auto row = std::ranges::find_if(served, [&](const Served& one) { return is_at(one, request.path); });
  if (row == served.end())
    return diagnostic(coap::code::not_found, "there are /vitals, /alarms, /rd and /time: see /.well-known/core");
  if (request.method == row->method) return (this->*row->answer)(request, now);
  const char* method = row->method == coap::code::post ? "POST" : "GET";
  return diagnostic(coap::code::method_not_allowed, request.path + " takes " + method);
}

bool DeviceSession::is_at(const Served& row, std::string_view path) const {
  if (!row.path.ends_with("<n>")) return path == row.path;
  return registered() && path == "/rd/" + number();
}

template <Resource resource>
std::optional<coap::Response> DeviceSession::answer_post(const coap::event::RequestReceived& request,
                                                         coap::Instant now) {
  auto taken = posts_.take(resource, request, device_, shared_.calendar(), registered(), now);
  if (taken.refused) note("post", to_string(*taken.refused), now);
  return std::move(taken.answer);
}

std::optional<coap::Response> DeviceSession::answer_core(const coap::event::RequestReceived& request, coap::Instant) {
  if (request.accept && request.accept != coap::content_format::link)
    return diagnostic(coap::code::not_acceptable, "this is link format, content-format 40");
  std::vector<coap::Link> links;
  for (const Served& row : served)
    if (!row.type.empty())
      links.push_back({std::string(row.path), {{"rt", std::string(row.type)}, {"ct", std::string(row.formats)}}});
  coap::Response response;
  response.content_format = coap::content_format::link;
  const auto text = coap::encode_links(links);
  response.payload.assign(text.begin(), text.end());
  return response;
}

std::optional<coap::Response> DeviceSession::answer_time(const coap::event::RequestReceived& request,
                                                         coap::Instant now) {
  const auto tick = read_tick(request);
  if (!tick) return diagnostic(tick.error().code, tick.error().words);
  const auto format = request.accept.value_or(coap::content_format::senml_cbor);
  if (format != coap::content_format::senml_cbor && format != coap::content_format::senml_json)
    return diagnostic(coap::code::not_acceptable, "the time is SenML, content-format 112 or 110");
  clock_.heard(static_cast<std::uint64_t>(tick->count()), now);
  return time_response(shared_.calendar(), format);
}

std::optional<coap::Response> DeviceSession::answer_registration(const coap::event::RequestReceived& request,
                                                                 coap::Instant now) {
  const auto registration = read_registration(request);
  if (!registration) return refuse(registration.error(), "malformed", now);
  // DTLS-13: a device is who its certificate says, whatever it calls itself.
  if (names::canonical_urn(registration->endpoint) != device_)
    return refuse({coap::code::forbidden, "ep is not the name in your certificate"}, "foreign_endpoint", now);
  if (!clock_.was_asked()) return refuse({coap::code::bad_request, "ask GET /time?tk=<ms> first"}, "no_anchor", now);
  if (registered() && registration_->boot != registration->boot)
    return refuse({coap::code::bad_request, "one boot a session: open a new one"}, "other_boot", now);
  const auto exchange = clock_.exchange(registration->accepted);
  if (!exchange) return refuse_exchange(exchange.error(), "unknown_try", now);
  accept(*registration, *exchange, now);
  coap::Response response;
  response.code = coap::code::created;
  response.options.add(coap::OptionNumber::location_path, std::string_view("rd"));
  response.options.add(coap::OptionNumber::location_path, std::string_view(number()));
  return response;
}

/// RFC 9176 §5.3.1. What it says of the clock goes on to storage; it refreshes the lifetime, as all traffic does.
std::optional<coap::Response> DeviceSession::answer_update(const coap::event::RequestReceived& request,
                                                           coap::Instant now) {
  const auto update = read_update(request);
  if (!update) return refuse_exchange(update.error(), "malformed", now);
  if (update->accepted) {
    const auto exchange = clock_.exchange(update->accepted);
    if (!exchange) return refuse_exchange(exchange.error(), "unknown_try", now);
    exchanged(*exchange, now);
  }
  if (update->lifetime) lifetime_check_ = now + (registration_->lifetime = *update->lifetime);
  coap::Response response;
  response.code = coap::code::changed;
  return response;
}

void DeviceSession::exchanged(const ClockExchange& exchange, coap::Instant now) {
  ++shared_.stats.clock_exchanges;
  if (now < next_exchange_) return;
  next_exchange_ = now + shared_.config.exchange_pause;
  shared_.sink.exchanged(name_, exchange);
}

coap::Response DeviceSession::refuse(Refusal refusal, const char* reason, coap::Instant now) {
  ++shared_.stats.registrations_refused;
  note("register", reason, now);
  return diagnostic(refusal.code, refusal.words);
}

coap::Response DeviceSession::refuse_exchange(Refusal refusal, const char* reason, coap::Instant now) {
  ++shared_.stats.clock_exchanges_refused;
  note("register", reason, now);
  return diagnostic(refusal.code, refusal.words);
}

void DeviceSession::accept(const Registration& registration, const ClockExchange& exchange, coap::Instant now) {
  if (!registered()) {
    ++shared_.stats.registrations;
    shared_.sink.audit({device_, "register", true, "", address_});
    ++shared_.stats.clock_exchanges;
    shared_.sink.attach({name_, device_, registration.boot, exchange, now});
  } else if (registration.accepted) {
    exchanged(exchange, now);
  }
  registration_ = registration;
  lifetime_check_ = now + registration.lifetime;
  for (Resource resource : registration.resources) {
    Watch& watch = watch_of(resource);
    if (std::exchange(watch.advertised, true)) continue;
    watch.pause = shared_.config.observe_pause;
    watch.due = now;
  }
}

// -- what the device tells --------------------------------------------------------------------------------------------

std::optional<Resource> DeviceSession::resource_of(coap::ObservationId observation) const {
  for (Resource resource : resources)
    if (watches_[index_of(resource)].observation == observation) return resource;
  return std::nullopt;
}

/// What a device brought in its last breath is taken too.
void DeviceSession::on(const coap::event::NotificationReceived& notification, coap::Connection* connection,
                       coap::Instant now) {
  const auto resource = resource_of(notification.observation);
  if (!resource) return;
  ++shared_.stats.notifications[index_of(*resource)][notification.confirmable ? 1 : 0];
  if (!notification.fresh) ++shared_.stats.stale_notifications;
  Watch& watch = watch_of(*resource);
  const auto longest = holds_acks(*resource) ? shared_.config.longest_alarm_age : coap::Duration::max();
  watch.fresh_until = now + std::min(notification.max_age, longest);
  keep_earliest(watch.check, watch.fresh_until + watch.patience);
  watch.pause = shared_.config.observe_pause;
  take_notification(*resource, notification, connection, now);
}

void DeviceSession::take_notification(Resource resource, const coap::event::NotificationReceived& notification,
                                      coap::Connection* connection, coap::Instant now) {
  std::optional<std::uint64_t> clock_ms;
  auto facts = take(resource, device_, notification.content_format, notification.payload, &clock_ms);
  check_clock(facts, clock_ms, now);
  if (clock_ms && clock_.is_doubtful() && connection != nullptr) ask_clock(*connection, now);
  const bool whole = admit_quarantined(facts, now);
  if (!holds_acks(resource)) {
    for (Fact& fact : facts) append(Ticket::none, std::move(fact), now);
    return;
  }
  const std::size_t before = debts_.held();
  const auto delivery = notification.confirmable && whole ? std::optional{notification.delivery} : std::nullopt;
  auto taken = debts_.take(delivery, std::move(facts), now, shared_.draw_ticket);
  count_held(before);
  shared_.stats.alarms_refused += taken.refused;
  for (auto& [ticket, fact] : taken.to_append) append(ticket, std::move(fact), now);
  if (taken.declined || !whole) {
    ++shared_.stats.alarms_declined;
    if (connection != nullptr) connection->decline(notification.delivery);
  } else if (taken.complete && connection != nullptr) {  // nothing in it, or the heartbeat: nothing to wait for
    connection->acknowledge(notification.delivery, now);
  }
}

/// A datagram may be late, so that one old tick proves nothing; one that the clock cannot have reached yet does.
void DeviceSession::check_clock(const std::vector<Fact>& facts, std::optional<std::uint64_t> said_ms,
                                coap::Instant now) {
  std::uint64_t newest = said_ms.value_or(0);
  for (const Fact& fact : facts)
    if (fact.boot == 0 && !std::holds_alternative<Quarantined>(fact.body)) newest = std::max(newest, fact.tick_ms);
  auto doubtful = clock_.doubt(newest, now);
  if (said_ms && !doubtful) doubtful = clock_.doubt_heartbeat(*said_ms, now);
  if (!doubtful) return;
  ++shared_.stats.clocks_doubted;
  shared_.sink.exchanged(name_, *doubtful);
}

/// That it makes a new exchange. A device that says its clock knows the question; what is lost comes with the next
/// heartbeat.
void DeviceSession::ask_clock(coap::Connection& connection, coap::Instant now) {
  coap::Request request;
  request.method = coap::code::post;
  request.path = "/time";
  connection.request(std::move(request), now, coap::Reliability::non);
}

/// Takes out the quarantined ones that are beyond the session's allowance; false: there were some.
bool DeviceSession::admit_quarantined(std::vector<Fact>& facts, coap::Instant now) {
  const auto beyond = std::erase_if(facts, [&](const Fact& fact) {
    const auto* quarantined = std::get_if<Quarantined>(&fact.body);
    if (quarantined == nullptr) return false;
    ++shared_.stats.quarantined[static_cast<std::size_t>(quarantined->reason)];
    note("quarantine", to_string(quarantined->reason), now);
    return !quarantine_.take(now);
  });
  shared_.stats.quarantine_over += beyond;
  return beyond == 0;
}

std::string DeviceSession::number() const { return std::to_string(static_cast<std::uint64_t>(name_)); }

void DeviceSession::append(Ticket ticket, Fact fact, coap::Instant received_at) {
  shared_.sink.append({name_, ticket, received_at, std::move(fact)});
}

void DeviceSession::handle_result(Ticket ticket, RecordResult result, coap::Connection& connection, coap::Instant now) {
  if (ticket == Ticket::none) return;
  if (auto answer = posts_.settle(ticket, result))
    return connection.respond(answer->exchange, std::move(answer->response), now);
  const std::size_t before = debts_.held();
  bool late = false;
  const auto settled = debts_.settle(ticket, result);
  for (const auto delivery : settled.declined) connection.decline(delivery);
  shared_.stats.alarms_declined += settled.declined.size();
  for (const auto& released : settled.released) {
    connection.acknowledge(released.delivery, now);
    shared_.stats.alarm_ack.observe(now - released.held_since);
    late = late || now - released.held_since >= shared_.config.late_ack;
  }
  count_held(before);
  if (!is_durable(result)) return;
  // An ACK that comes late may find that the device has dropped the observer; what it still owes comes when asked.
  Watch& alarms = watch_of(Resource::alarms);
  if (late || !alarms.observation) plan(alarms, now);
  run_watches(connection, now);
}

void DeviceSession::count_held(std::size_t before) {
  shared_.stats.held_acks = shared_.stats.held_acks - before + debts_.held();
}

void DeviceSession::on(const coap::event::NotificationRejected& rejected, coap::Connection&, coap::Instant now) {
  const bool retired = rejected.why == coap::event::NotificationRejected::Why::retired;
  ++shared_.stats.rejected_tokens[retired ? 1 : 0];
  note("notify", retired ? "retired" : "unknown", now);
}

// -- the observations -------------------------------------------------------------------------------------------------

void DeviceSession::own(coap::Connection& connection, coap::Instant now, coap::Instant from) {
  observes_from_ = from;
  run_watches(connection, now);
}

void DeviceSession::on(const coap::event::ObservationEnded& ended, coap::Connection&, coap::Instant now) {
  const auto resource = resource_of(ended.observation);
  if (!resource) return;
  ++shared_.stats.observations_ended;
  Watch& watch = watch_of(*resource);
  watch.observation.reset();
  watch.due.reset();
  watch.check.reset();
  if (may_ask(*resource)) plan(watch, now);
  watch.pause = std::min(watch.pause * 2, shared_.config.longest_pause);
}

/// While alarms wait for storage, their device would only send what cannot be acknowledged yet.
bool DeviceSession::may_ask(Resource resource) const { return !holds_acks(resource) || debts_.empty(); }

void DeviceSession::plan(Watch& watch, coap::Instant now) {
  if (!watch.advertised || watch.due) return;
  watch.due = watch.last_observed ? std::max(now, *watch.last_observed + watch.pause) : now;
}

void DeviceSession::observe(Resource resource, coap::Connection& connection, coap::Instant now) {
  Watch& watch = watch_of(resource);
  watch.due.reset();
  watch.last_observed = now;
  watch.fresh_until = now + coap::default_max_age;  // so long at least until it is asked once more
  watch.patience = draw_patience(shared_.random);
  watch.check = watch.fresh_until + watch.patience;
  ++shared_.stats.observations;
  if (watch.observation) return connection.refresh(*watch.observation, now);  // RFC 7641 §3.3.1
  coap::Request request;
  request.path = path(resource);
  if (holds_acks(resource)) request.queries = {"tk"};
  watch.observation = connection.observe(std::move(request), row_of(resource).acknowledgement, now);
}

void DeviceSession::run_watches(coap::Connection& connection, coap::Instant now) {
  if (!observes_from_ || now < *observes_from_) return;
  for (Resource resource : resources)
    if (const auto due = watch_of(resource).due; due && *due <= now) observe(resource, connection, now);
}

/// A device that is there answers, whatever was lost before; one that has dropped the observer takes it in again.
void DeviceSession::refresh_stale(coap::Instant now) {
  for (Resource resource : resources) {
    Watch& watch = watch_of(resource);
    if (!watch.check || now < *watch.check) continue;
    const auto stale_at = watch.fresh_until + watch.patience;
    watch.check = now < stale_at ? stale_at : now + watch.patience;
    if (now >= stale_at && may_ask(resource)) plan(watch, now);
  }
}

void DeviceSession::handle_storage_back(coap::Connection& connection, coap::Instant now) {
  Watch& alarms = watch_of(Resource::alarms);
  if (!alarms.observation || now >= alarms.fresh_until) plan(alarms, now);
  run_watches(connection, now);
}

// -- time -------------------------------------------------------------------------------------------------------------

void DeviceSession::handle_timeout(coap::Connection& connection, coap::Instant now) {
  for (const auto& line : tally_.due(now)) write(line);
  for (auto& [exchange, response] : posts_.expire(now)) connection.respond(exchange, std::move(response), now);
  refresh_stale(now);
  if (lifetime_check_ && *lifetime_check_ <= now) {
    // Any traffic refreshes the registration; without any its lifetime ends, and the session with it (RFC 9176 §5).
    lifetime_check_ = connection.last_heard() + registration_->lifetime;
    if (*lifetime_check_ <= now) return connection.close(coap::CloseReason::idle, now);
  }
  run_watches(connection, now);
}

std::optional<coap::Instant> DeviceSession::next_deadline() const {
  std::optional<coap::Instant> earliest = tally_.next_deadline();
  keep_earliest(earliest, posts_.next_deadline());
  keep_earliest(earliest, lifetime_check_);
  if (observes_from_)
    for (const Watch& watch : watches_) {
      keep_earliest(earliest, watch.due ? std::optional(std::max(*watch.due, *observes_from_)) : std::nullopt);
      keep_earliest(earliest, watch.check);
    }
  return earliest;
}

// -- audit ------------------------------------------------------------------------------------------------------------

void DeviceSession::note(std::string action, std::string reason, coap::Instant now, std::uint64_t times) {
  if (const auto line = tally_.note({std::move(action), std::move(reason), {}}, now, times)) write(*line);
}

void DeviceSession::note_excess(const coap::ConnectionCounters& counters, coap::Instant now) {
  const auto excess = counters.notifications_over + counters.requests_over + counters.held_over;
  if (excess == noted_excess_) return;
  note("notify", "over_rate", now, excess - std::exchange(noted_excess_, excess));
}

void DeviceSession::write(const AuditTally::Line& line) {
  const auto& [key, count] = line;
  shared_.sink.audit({device_, key.action, false, key.reason, address_, count});
}

}  // namespace wardlink::ingest

#pragma once
// One CoAP peer over one secure session: messages, reliability (RFC 7252 §4), observation in both roles (RFC 7641),
// requests in both directions. Sans-I/O: (datagram, instant) in; datagrams, events and the next deadline out.
//
//   handle_*   what the network or the clock did
//   commands   what this side wants
//   poll_*     what is to be sent and what has happened: drain after every handle_* and command, datagrams first,
//              then events, until both are empty; then arm a timer for next_deadline()
//
// Not thread-safe: one thread owns a connection. Never throws for what the network sends.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coap/budget.hpp"
#include "coap/instant.hpp"
#include "coap/message.hpp"
#include "coap/secure_channel.hpp"

namespace coap {

/// NSTART = 2 (a stated deviation from RFC 7252 §4.7): one Confirmable message in flight for alarms, one for all else,
/// so that neither blocks the other.
enum class Slot : std::uint8_t { ordinary, alarm };
enum class Reliability : std::uint8_t { non, con };

/// Names are unique within a connection and never issued twice.
enum class RequestId : std::uint64_t {};      // a request that this side sent
enum class ExchangeId : std::uint64_t {};     // a request that the peer sent
enum class ObservationId : std::uint64_t {};  // an observation that this side holds (client role)
enum class ObserverId : std::uint64_t {};     // an observer of this side's resource (server role)
enum class DeliveryId : std::uint64_t {};     // one notification, sent or received

struct Request {
  Code method = code::get;
  std::string path;                  // "/rd"
  std::vector<std::string> queries;  // "lt=60"
  std::optional<std::uint16_t> content_format;
  Bytes payload;
};

/// How long what says nothing of it may be called current (RFC 7252 §5.10.5).
inline constexpr Duration default_max_age = std::chrono::seconds{60};

struct Response {
  Code code = code::content;
  std::optional<std::uint16_t> content_format;
  Bytes payload;
  Options options;  // anything more: Location-Path, Max-Age; never Observe or Content-Format
};

namespace event {

/// The secure session stands; peer() is known.
struct Opened {};

/// The peer asks. Answer with respond() or one of its kin, exactly once, also a Non-confirmable one: at most 32 may
/// stand unanswered, beyond which a CON gets 5.03 and a NON nothing.
struct RequestReceived {
  ExchangeId exchange;
  Code method;
  std::string path;
  std::vector<std::string> queries;
  std::optional<std::uint32_t> observe;  // 0 = register, 1 = deregister (already carried out)
  std::optional<std::uint16_t> content_format;
  Bytes payload;
  std::optional<std::uint16_t> accept = {};  // the only format that the peer understands (RFC 7252 §5.10.4)
  bool partial = false;  // one of several blocks (Block1, RFC 7959 §2.3): they are not put together
};

/// The answer to request(). Codes of class 4 and 5 come here too.
struct ResponseReceived {
  RequestId request;
  Code code;
  Options options;
  Bytes payload;
};

enum class Failure : std::uint8_t {
  timeout,  // retransmissions ran out (RFC 7252 §4.2)
  reset,    // the peer answered with RST
  closed,   // the session ended first
};

struct RequestFailed {
  RequestId request;
  Failure why;
};

/// A notification of an observation that stands, the response to its registration included.
/// A held one (AckPolicy::held, Confirmable) is not acknowledged until acknowledge(delivery).
struct NotificationReceived {
  ObservationId observation;
  DeliveryId delivery;
  bool confirmable;
  bool fresh;  // false: older than what was seen before (RFC 7641 §3.4); its readings count, but not as current
  Code code;
  std::optional<std::uint16_t> content_format;
  Bytes payload;
  Duration max_age = default_max_age;  // from now on; then it is stale
};

/// The observation is gone: a response without Observe or with an error code, an unanswered registration, RST.
/// (cancel() by this side and the end of the session are not told. A refresh without an answer ends nothing.)
struct ObservationEnded {
  ObservationId observation;
  Code code;  // empty where there was no response
};

/// A response whose token names no observation of this session: it was answered with RST (RFC 7641 §3.6).
struct NotificationRejected {
  enum class Why : std::uint8_t { unknown, retired } why;  // never issued here; issued, but ended
  bool confirmable;
};

/// The peer acknowledged exactly this Confirmable notification (also one that a newer one has superseded).
struct NotificationAcknowledged {
  DeliveryId delivery;
};

/// Retransmissions ran out or the peer sent RST: the observer is removed (RFC 7641 §4.5.2, §3.6).
/// `failed` names every notification to it that was unacknowledged; what they carried is still owed.
struct ObserverLost {
  ObserverId observer;
  Failure why;
  std::vector<DeliveryId> failed;
};

/// The observer took itself back (GET with Observe 1), or registered anew under another token.
struct ObserverLeft {
  ObserverId observer;
};

/// The end. Nothing follows; commands are ignored from now on. Before Opened it tells why the handshake failed.
struct Closed {
  CloseReason reason;
  std::string detail;
};

}  // namespace event

using Event = std::variant<event::Opened, event::RequestReceived, event::ResponseReceived, event::RequestFailed,
                           event::NotificationReceived, event::ObservationEnded, event::NotificationRejected,
                           event::NotificationAcknowledged, event::ObserverLost, event::ObserverLeft, event::Closed>;

enum class AckPolicy : std::uint8_t {
  at_once,  // a Confirmable notification is acknowledged when it is received
  held,     // only by acknowledge()
};

/// Monotonic counts since the connection was made.
struct ConnectionCounters {
  std::uint64_t messages_in = 0, messages_out = 0;
  std::uint64_t con_in = 0, non_in = 0, con_out = 0, non_out = 0;
  std::uint64_t retransmissions = 0, duplicates = 0, resets_in = 0, resets_out = 0;
  std::uint64_t malformed = 0;  // not a CoAP message, or one that RFC 7252 tells us to reject
  std::uint64_t unknown_token = 0, retired_token = 0;
  // Not taken, as if they had been lost: beyond Config::notifications, ::requests, ::max_held
  std::uint64_t notifications_over = 0, requests_over = 0, held_over = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // UDP payload
};

class Connection {
 public:
  /// RFC 7252 §4.8 and its neighbours. All defaults are the RFC's.
  struct Config {
    Duration ack_timeout = std::chrono::seconds{2};
    double ack_random_factor = 1.5;
    int max_retransmit = 4;
    Duration exchange_lifetime = std::chrono::seconds{247};
    Duration non_lifetime = std::chrono::seconds{145};
    Duration max_response_delay = std::chrono::milliseconds{1000};  // then an empty ACK goes first (§5.2.2)
    Duration request_timeout = std::chrono::seconds{93};  // from request() to RequestFailed, for separate responses
    Duration probing_after = std::chrono::seconds{93};    // MAX_TRANSMIT_WAIT: silence after which …
    double probing_rate = 1;  // … so many bytes a second go Non-confirmable on average: PROBING_RATE (§4.7)
    std::size_t remembered_responses = 64;   // for duplicates of the peer's requests
    std::size_t remembered_messages = 8192;  // message ids of the peer's; beyond it the oldest is forgotten
    /// What is taken of the peer: responses that it was not asked for (notifications, and what is rejected), and
    /// requests. What is beyond is dropped as if it had been lost, so that a Confirmable one comes again. A quarter of
    /// the burst is for notifications under AckPolicy::held alone. Default: no limit.
    Allowance notifications = {}, requests = {};
    std::size_t max_held = 4096;  // notifications whose ACK is held; one more is dropped likewise
    bool detect_silence = false;  // device: ping after an alarm's first retransmission, close after two unanswered
                                  // ones in total silence (reason peer_silent)
  };

  /// Takes a channel in state handshaking or open. `random` draws the first message id, tokens and timeouts.
  Connection(std::unique_ptr<SecureChannel> channel, const Config& config, Random random, Instant now);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  // -- what happened ---------------------------------------------------------------------------------------------
  /// True when something in the datagram was authenticated.
  bool handle_datagram(ByteView datagram, Instant now);
  void handle_timeout(Instant now);

  // -- commands --------------------------------------------------------------------------------------------------
  /// A Confirmable request: at most one is in flight in the ordinary slot; more wait in order. A Non-confirmable one
  /// goes at once, and never again.
  RequestId request(Request request, Instant now, Reliability reliability = Reliability::con);

  /// Answers: in the ACK where it is in time, else as a message of its own. An unknown or answered exchange is ignored.
  void respond(ExchangeId exchange, Response response, Instant now);
  /// Answers a registration (Observe 0) and takes the observer in. The response carries the Observe option.
  ObserverId respond_observed(ExchangeId exchange, Response response, Instant now);
  /// The same, but with an empty ACK now and the response as a Confirmable message in `slot`, which is tracked like a
  /// notification: NotificationAcknowledged or ObserverLost follows.
  std::pair<ObserverId, DeliveryId> respond_observed_separately(ExchangeId exchange, Response response, Slot slot,
                                                                Instant now);
  /// Notifies one observer. A Confirmable one to an observer whose slot is in use waits; a later one takes the place
  /// of the waiting one (whose DeliveryId then never comes back). It goes out when the one in flight is acknowledged,
  /// or takes over at that one's next retransmission, under a new message id, keeping its count (RFC 7641 §4.5.2).
  /// To a peer that has been silent for probing_after, a Non-confirmable one goes at probing_rate: see non_at(). Before
  /// it comes to that, at half of the time, a ping goes with one and asks for a word.
  /// An error code (class 4 or 5) is the last: it goes without Observe, and the observer is removed (§4.2).
  DeliveryId notify(ObserverId observer, Response response, Reliability reliability, Slot slot, Instant now);
  void remove_observer(ObserverId observer);

  /// GET with Observe 0 under a fresh, unpredictable 4-byte token, never issued before in this session.
  ObservationId observe(Request request, AckPolicy policy, Instant now);
  /// GET with Observe 0 under the same token and with the same options (RFC 7641 §3.3.1). It is no new observation: the
  /// one that stands goes on while it is under way, and also where nobody answers. Nothing happens while a GET of this
  /// observation is under way.
  void refresh(ObservationId observation, Instant now);
  /// GET with Observe 1 under the same token; what still comes under it is answered with RST (RFC 7641 §3.6).
  void cancel(ObservationId observation, Instant now);
  /// A held notification is taken for lost: what its sender sends again under the same message id comes as a new one.
  void decline(DeliveryId delivery);
  /// Sends the ACK of a held notification. An unknown delivery is ignored, and so is one that is older than
  /// exchange_lifetime: its message id may name another alarm by now, which the ACK would release.
  void acknowledge(DeliveryId delivery, Instant now);

  /// An empty Confirmable message (RFC 7252 §4.3); its RST proves life.
  void ping(Instant now);
  /// close_notify; every open request and notification fails with `closed`. Event Closed{reason} follows.
  void close(CloseReason reason, Instant now);

  // -- what is to be done ----------------------------------------------------------------------------------------
  std::optional<Bytes> poll_datagram();
  std::optional<Event> poll_event();
  /// Empty: nothing is waited for.
  std::optional<Instant> next_deadline() const;

  // -- getters ---------------------------------------------------------------------------------------------------
  SecureChannel::State state() const;
  const PeerIdentity& peer() const;
  const ConnectionCounters& counters() const;
  /// Smoothed time from a Confirmable message in the ordinary slot to its ACK, by RFC 6298's mean; pings, what was
  /// retransmitted and the alarm slot (whose ACKs may be held) do not count. Empty until measured.
  std::optional<Duration> round_trip_time() const;
  /// When something authenticated last arrived.
  Instant last_heard() const;
  /// From when on a Non-confirmable notification may go; one that is sent before is dropped. Long past but in silence.
  Instant non_at() const;
  /// True while a Confirmable message of that slot awaits its ACK.
  bool busy(Slot slot) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coap

#pragma once
// What a device asks of ingest: GET /time and POST /rd (RFC 9176). Pure: a request's parts in, what they mean or why
// not out.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "coap/connection.hpp"
#include "coap/result.hpp"
#include "ingest/payload/intake.hpp"

namespace wardlink::ingest {

/// The try of GET /time that the device took: its clock when it asked, and how long the answer took by that clock.
struct NamedTry {
  std::uint64_t tick_ms;
  std::chrono::milliseconds round_trip;  // 0 to 60 s
};

struct Registration {
  std::string endpoint;  // its `ep`, which must be the certificate's URN
  std::chrono::seconds lifetime;
  std::uint64_t boot;
  std::optional<NamedTry> accepted;  // empty: it names none, as older SDKs do
  std::vector<Resource> resources;   // those that ingest knows; what else is advertised is left alone
};

/// A 4.xx code and the diagnostic payload that goes with it (RFC 7252 §5.5.2), in words for whoever builds the device.
struct Refusal {
  coap::Code code;
  std::string words;
};

/// Reads a POST /rd?ep=…&lt=…&boot=… with a payload in link format.
coap::Result<Registration, Refusal> read_registration(const coap::event::RequestReceived& request);

/// What a POST to a registration (RFC 9176 §5.3.1) says anew.
struct Update {
  std::optional<std::chrono::seconds> lifetime;
  std::optional<NamedTry> accepted;
};

/// Reads a POST /rd/<n>?tk=…&rt=…, lt where it changes.
coap::Result<Update, Refusal> read_update(const coap::event::RequestReceived& request);

/// Reads the `tk` of a GET /time?tk=…: the device's monotonic clock, in ms.
coap::Result<std::chrono::milliseconds, Refusal> read_tick(const coap::event::RequestReceived& request);

/// 2.05 with the record `time`: seconds since 1970-01-01 UTC, three decimals. `format`: SenML in CBOR or in JSON.
coap::Response time_response(WallTime now, std::uint16_t format = coap::content_format::senml_cbor);

}  // namespace wardlink::ingest

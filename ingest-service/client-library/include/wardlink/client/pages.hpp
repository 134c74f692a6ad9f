#pragma once
// Walks a list that the server gives in pages (AIP-158), with one page in memory at a time.
//
//   client::for_each_page(connection, *alarms, &v1::AlarmService::Stub::ListAlarms, v1::ListAlarmsRequest(),
//                         &v1::ListAlarmsResponse::mutable_alarms, 0, [](const v1::ListAlarmsResponse& page) { … });

#include <google/protobuf/repeated_ptr_field.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "wardlink/client/connection.hpp"

namespace wardlink::client {

constexpr std::int32_t largest_page = 2'000;  // elements; the server bounds a page to 1 MiB

/// Calls `method` until the last page or until `limit` elements have come (0 = all), and hands every page, cut to the
/// limit, to `take(page)`; a page may be empty. `list` gives the page's mutable list. Returns how many elements there
/// were. Throws Error: that of a call, or Cause::contract where a page's token does not lead on; what was taken before
/// stays taken.
template <class Stub, class Request, class Response, class Element, class Take>
std::uint64_t for_each_page(const Connection& connection, Stub& stub,
                            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                            Request request, google::protobuf::RepeatedPtrField<Element>* (Response::*list)(),
                            std::uint64_t limit, Take take) {
  std::uint64_t wanted = limit == 0 ? std::numeric_limits<std::uint64_t>::max() : limit;
  std::uint64_t count = 0;
  request.set_page_size(static_cast<std::int32_t>(std::min<std::uint64_t>(wanted, largest_page)));
  while (true) {
    Response page = connection.call(stub, method, request);
    auto* elements = (page.*list)();
    const auto size = static_cast<std::uint64_t>(elements->size());
    if (size > wanted) elements->DeleteSubrange(static_cast<int>(wanted), static_cast<int>(size - wanted));
    count += static_cast<std::uint64_t>(elements->size());
    wanted -= static_cast<std::uint64_t>(elements->size());
    take(page);
    if (page.next_page_token().empty() || wanted == 0) return count;
    if (page.next_page_token() == request.page_token()) {
      throw Error(Cause::contract, grpc::StatusCode::INTERNAL, {},
                  "The server gives the same page again and again: report this to its administrator.");
    }
    request.set_page_token(page.next_page_token());
  }
}

}  // namespace wardlink::client

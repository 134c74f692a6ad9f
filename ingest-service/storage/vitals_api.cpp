#include "storage/vitals_api.hpp"

#include <algorithm>

#include "signs/catalogue.hpp"
#include "storage/instants.hpp"
#include "storage/names.hpp"
#include "storage/page_token.hpp"
#include "storage/status.hpp"
#include "storage/wire_records.hpp"

namespace wardlink::storage {
namespace {

// A page stays below what a client takes by default (4 MiB), however many signs a set has.
constexpr std::size_t page_bytes = 3 * 1024 * 1024;

std::string requested(const std::string& parent) { return parent.empty() ? "patients/-" : parent; }

Subject parse_required_parent(const std::string& parent) {
  const auto subject = parse_parent("parent", parent);
  if (subject.kind == Subject::Kind::all) {
    throw InvalidArgument("parent", "is required: patients/{id} or devices/{urn}");
  }
  return subject;
}

template <class Names>
std::vector<std::uint16_t> parse_signs(const Names& names) {
  std::vector<std::uint16_t> found;
  for (const auto& name : names) {
    const auto* sign = signs::find(name);
    if (sign == nullptr) throw InvalidArgument("signs", "holds a name that is not in the catalogue");
    found.push_back(sign->id);
  }
  return found;
}

ReadingsQuery query_of(const v1::ListReadingsRequest& request) {
  ReadingsQuery query;
  query.subject = parse_required_parent(request.parent());
  query.signs = parse_signs(request.signs());
  read_span_and_page(request, query);
  return query;
}

AggregatesQuery query_of(const v1::AggregateReadingsRequest& request) {
  constexpr std::int64_t most_buckets = 2000;
  AggregatesQuery query;
  query.subject = parse_required_parent(request.parent());
  query.signs = parse_signs(request.signs());
  if (!request.has_start_time()) throw InvalidArgument("start_time", "is required");
  if (!request.has_end_time()) throw InvalidArgument("end_time", "is required");
  query.start = parse_instant("start_time", request.start_time());
  query.end = parse_instant("end_time", request.end_time());
  if (query.start > query.end) throw InvalidArgument("end_time", "lies before start_time");
  const auto& bucket = request.bucket();
  constexpr std::int64_t longest = 366LL * 10'000 * 86'400;
  if (bucket.seconds() < 1 || bucket.seconds() > longest || bucket.nanos() < 0 || bucket.nanos() > 999'999'999) {
    throw InvalidArgument("bucket", "must be at least 1 s");
  }
  query.bucket = std::chrono::seconds(bucket.seconds()) + std::chrono::microseconds(bucket.nanos() / 1000);
  if ((query.end - query.start - std::chrono::microseconds(1)) / query.bucket >= most_buckets) {
    throw InvalidArgument("bucket",
                          "is so short that there would be more than 2,000: lengthen it, or shorten the span");
  }
  return query;
}

v1::Aggregate to_proto(const AggregateRow& row, const AggregatesQuery& query) {
  const auto start = query.start + query.bucket * static_cast<std::int64_t>(row.bucket);
  const auto length = std::min(query.end, start + query.bucket) - start;
  v1::Aggregate aggregate;
  *aggregate.mutable_start_time() = to_stamp(start);
  aggregate.set_sign(sign_name(row.sign));
  aggregate.set_unit(sign_unit(row.sign));
  if (row.min) aggregate.set_min(*row.min);
  if (row.mean) aggregate.set_mean(*row.mean);
  if (row.max) aggregate.set_max(*row.max);
  aggregate.set_count(row.count);
  aggregate.set_implausible_count(row.implausible);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(length).count();
  aggregate.set_coverage(static_cast<double>(row.seconds) / static_cast<double>(seconds));
  return aggregate;
}

}  // namespace

grpc::Status VitalsApi::GetLatest(grpc::ServerContext* context, const v1::GetLatestRequest* request,
                                  v1::GetLatestResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.GetLatest", roles::readers, {requested(request->parent())});
    for (const auto& row : store_.latest(scope, parse_parent("parent", request->parent()))) {
      *response->add_vitals() = to_proto(row);
    }
  });
}

grpc::Status VitalsApi::ListReadings(grpc::ServerContext* context, const v1::ListReadingsRequest* request,
                                     v1::ListReadingsResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.ListReadings", roles::readers, {requested(request->parent())});
    auto query = query_of(*request);
    query.scope = scope;
    const auto page_size = query.limit++;  // one more tells whether there is a next page
    const auto rows = store_.readings(query);
    std::size_t taken = 0, bytes = 0;
    while (taken < std::min(rows.size(), page_size) && bytes < page_bytes) {
      auto& set = *response->add_measurement_sets();
      set = to_proto(rows[taken++], query.signs);
      bytes += set.ByteSizeLong();
    }
    if (taken == rows.size()) return;
    const auto& last = rows[taken - 1];
    response->set_next_page_token(make_page_token(
        without_page(*request), to_place({last.measured_at, last.device_id, last.boot, last.stream, last.sequence})));
  });
}

grpc::Status VitalsApi::AggregateReadings(grpc::ServerContext* context, const v1::AggregateReadingsRequest* request,
                                          v1::AggregateReadingsResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.AggregateReadings", roles::readers, {requested(request->parent())});
    auto query = query_of(*request);
    query.scope = scope;
    for (const auto& row : store_.aggregates(query)) *response->add_aggregates() = to_proto(row, query);
  });
}

grpc::Status VitalsApi::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                              grpc::ServerWriter<v1::WatchResponse>* stream) {
  return live_.serve(*context, *request, *stream, {.method = "VitalsService.Watch", .sets = true});
}

}  // namespace wardlink::storage

#include "storage/api/vitals_api.hpp"

#include <algorithm>

#include "signs/catalogue.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/opaque.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::size_t latest_rows_at_once = 100, most_latest_rows = 10'000;

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

/// Where the next page begins: behind a device, or with a bucket.
template <class Request>
std::int64_t number_of_token(const Request& request) {
  if (request.page_token().empty()) return 0;
  const auto number = read_numbers<1>(read_page_token(without_page(request), request.page_token()));
  if (!number || number->front() < 0) throw InvalidArgument("page_token", "is not one of this request's");
  return number->front();
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
  query.limit = page_size_of(request.page_size());
  query.first_bucket = static_cast<std::uint64_t>(number_of_token(request));
  if (query.first_bucket > most_buckets) throw InvalidArgument("page_token", "is not one of this request's");
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
  aggregate.set_all_min(row.all_min);
  aggregate.set_all_mean(row.all_mean);
  aggregate.set_all_max(row.all_max);
  aggregate.set_all_coverage(static_cast<double>(row.all_seconds) / static_cast<double>(seconds));
  return aggregate;
}

}  // namespace

grpc::Status VitalsApi::GetLatest(grpc::ServerContext* context, const v1::GetLatestRequest* request,
                                  v1::GetLatestResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.GetLatest", roles::readers, {requested(request->parent())});
    const auto subject = parse_parent("parent", request->parent());
    if (request->page_size() < 0) throw InvalidArgument("page_size", "must not be negative");
    // A client that knows no pages gets all, or is told that it does not fit.
    const bool paged = request->page_size() > 0 || !request->page_token().empty();
    const auto most_bytes = paged ? page_bytes : single_page_bytes;
    const auto most = paged ? page_size_of(request->page_size()) : most_latest_rows;
    std::vector<LatestRow> page;
    std::size_t bytes = 0;
    std::optional<std::int64_t> next = number_of_token(*request);
    bool looks_on = true;
    while (next && looks_on && page.size() < most && bytes < most_bytes) {
      auto rows = store_.latest(scope, subject, *next, std::min(latest_rows_at_once, most - page.size()));
      next = rows.next;
      // Where a look found fewer than it might have, it went through many that are not the caller's to see.
      looks_on = !paged || rows.size() >= latest_rows_at_once;
      for (auto& row : rows) {
        if (bytes >= most_bytes) {
          next = page.back().device_id;
          break;
        }
        bytes += to_proto(row).ByteSizeLong();
        page.push_back(std::move(row));
      }
    }
    // What looks like all of them is all of them: a client that knows no pages asks for no second one.
    if (next && !paged) throw InvalidArgument("page_size", "is required: there is more than one answer holds");
    std::ranges::sort(page, {},
                      [](const LatestRow& row) { return std::tie(row.patient_name, row.patient, row.device); });
    std::stable_partition(page.begin(), page.end(), [](const LatestRow& row) { return !row.patient.empty(); });
    for (const auto& row : page) *response->add_vitals() = to_proto(row);
    if (next) response->set_next_page_token(make_page_token(without_page(*request), std::to_string(*next)));
  });
}

grpc::Status VitalsApi::ListReadings(grpc::ServerContext* context, const v1::ListReadingsRequest* request,
                                     v1::ListReadingsResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.ListReadings", roles::readers, {requested(request->parent())});
    auto query = query_of(*request);
    query.scope = scope;
    const auto rows = store_.readings(query);
    const auto taken = fill_page(rows, [&](const ReadingRow& row) {
      auto& set = *response->add_measurement_sets();
      set = to_proto(row, query.signs);
      return set.ByteSizeLong();
    });
    auto next = rows.next;
    if (taken < rows.size()) {
      const auto& last = rows[taken - 1];
      next = {last.measured_at, last.device_id, last.boot, last.stream, last.sequence};
    }
    if (next) response->set_next_page_token(make_page_token(without_page(*request), to_place(*next)));
  });
}

grpc::Status VitalsApi::AggregateReadings(grpc::ServerContext* context, const v1::AggregateReadingsRequest* request,
                                          v1::AggregateReadingsResponse* response) {
  return answered([&] {
    const auto scope =
        guard_.admit(*context, "VitalsService.AggregateReadings", roles::readers, {requested(request->parent())});
    auto query = query_of(*request);
    query.scope = scope;
    const bool paged = request->page_size() > 0 || !request->page_token().empty();
    std::size_t bytes = 0;
    for (std::optional<std::uint64_t> next = query.first_bucket; next;) {
      query.first_bucket = *next;
      const auto rows = store_.aggregates(query);
      for (const auto& row : rows) {
        auto& aggregate = *response->add_aggregates();
        aggregate = to_proto(row, query);
        bytes += aggregate.ByteSizeLong();
      }
      next = rows.next;
      if (!next) return;
      if (paged) {
        response->set_next_page_token(make_page_token(without_page(*request), std::to_string(*next)));
        return;
      }
      if (context->IsCancelled()) return;
      if (bytes > single_page_bytes) {
        response->Clear();
        throw InvalidArgument("page_size", "is required: there is more than one answer holds");
      }
    }
  });
}

grpc::Status VitalsApi::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                              grpc::ServerWriter<v1::WatchResponse>* stream) {
  return live_.serve(*context, *request, *stream, {.method = "VitalsService.Watch", .sets = true});
}

}  // namespace wardlink::storage

// VitalsService.GetWaveform.

#include <algorithm>

#include "signs/waveforms.hpp"
#include "storage/access/standing.hpp"
#include "storage/api/vitals_api.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::chrono::microseconds longest_span = std::chrono::hours{24};
constexpr std::size_t runs_at_once = 256;  // about 250 KB

std::chrono::microseconds parse_last(const google::protobuf::Duration& last) {
  const auto span = std::chrono::seconds{last.seconds()} + std::chrono::microseconds{last.nanos() / 1000};
  const bool sane =
      last.seconds() >= 0 && last.seconds() <= 86'400 && last.nanos() >= 0 && last.nanos() < 1'000'000'000;
  if (!sane || span.count() == 0 || span > longest_span) {
    throw InvalidArgument("last", "must be above 0 and at most 24 h");
  }
  return span;
}

RunsQuery query_of(const v1::GetWaveformRequest& request) {
  RunsQuery query;
  query.subject = parse_parent("parent", request.parent());
  if (query.subject.kind == Subject::Kind::all) {
    throw InvalidArgument("parent", "is required: patients/{id} or devices/{urn}");
  }
  const auto* waveform = signs::find_waveform(request.waveform());
  if (waveform == nullptr) throw InvalidArgument("waveform", "is not in the catalogue: ecg, ppg, resp");
  query.stream = waveform_stream(waveform->id);
  query.limit = runs_at_once;
  if (request.has_start_time() == request.has_last()) {
    throw InvalidArgument("start_time", "give it or last, one of the two");
  }
  if (request.has_end_time()) query.end = parse_instant("end_time", request.end_time());
  if (request.has_last()) return query;
  query.start = parse_instant("start_time", request.start_time());
  if (!query.end) query.end = *query.start + longest_span;
  if (*query.end < *query.start) throw InvalidArgument("end_time", "lies before start_time");
  if (*query.end - *query.start > longest_span)
    throw InvalidArgument("end_time", "lies more than 24 h after start_time");
  return query;
}

/// So long before the end. False: there is nothing.
bool place_before_the_end(RunsQuery& query, RecordStore& store, std::chrono::microseconds span) {
  if (!query.end) query.end = store.end_of_runs(query);
  if (!query.end) return false;
  query.start = *query.end - span;
  return true;
}

}  // namespace

grpc::Status VitalsApi::GetWaveform(grpc::ServerContext* context, const v1::GetWaveformRequest* request,
                                    grpc::ServerWriter<v1::WaveformRun>* stream) {
  return answered([&] {
    const auto standing =
        guard_.admit_lasting(*context, "VitalsService.GetWaveform", roles::readers, {request->parent()});
    auto query = query_of(*request);
    query.scope = standing->scope();
    if (request->has_last() && !place_before_the_end(query, store_, parse_last(request->last()))) return;
    for (bool more = true; more;) {
      const auto rows = store_.runs(query);
      for (const auto& row : rows) {
        standing->confirm();
        if (!stream->Write(to_proto(row))) return;  // the client has gone
      }
      more = rows.size() == query.limit;
      if (more) {
        const auto& last = rows.back();
        query.after = Position{last.measured_at, last.device_id, last.boot, last.stream, last.sequence};
      }
    }
  });
}

}  // namespace wardlink::storage

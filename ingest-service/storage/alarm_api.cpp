#include "storage/alarm_api.hpp"

#include <algorithm>

#include "storage/instants.hpp"
#include "storage/names.hpp"
#include "storage/page_token.hpp"
#include "storage/status.hpp"
#include "storage/wire_records.hpp"

namespace wardlink::storage {
namespace {

AlarmsQuery query_of(const v1::ListAlarmsRequest& request) {
  AlarmsQuery query;
  query.subject = parse_parent("parent", request.parent());
  query.open_only = request.open_only();
  read_span_and_page(request, query);
  return query;
}

}  // namespace

grpc::Status AlarmApi::ListAlarms(grpc::ServerContext* context, const v1::ListAlarmsRequest* request,
                                  v1::ListAlarmsResponse* response) {
  return answered([&] {
    const auto parent = request->parent().empty() ? "patients/-" : request->parent();
    const auto scope = guard_.admit(*context, "AlarmService.ListAlarms", roles::readers, {parent});
    auto query = query_of(*request);
    query.scope = scope;
    const auto page_size = query.limit++;  // one more tells whether there is a next page
    const auto rows = store_.alarms(query);
    const auto taken = std::min(rows.size(), page_size);
    for (std::size_t i = 0; i < taken; ++i) *response->add_alarms() = to_proto(rows[i]);
    if (taken == rows.size()) return;
    const auto& last = rows[taken - 1];
    response->set_next_page_token(make_page_token(
        without_page(*request), to_place({last.at(), last.device_id, last.boot, last.stream, last.sequence})));
  });
}

}  // namespace wardlink::storage

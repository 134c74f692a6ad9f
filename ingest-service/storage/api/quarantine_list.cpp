// AlarmService.ListQuarantine.

#include "storage/api/alarm_api.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {

grpc::Status AlarmApi::ListQuarantine(grpc::ServerContext* context, const v1::ListQuarantineRequest* request,
                                      v1::ListQuarantineResponse* response) {
  return answered([&] {
    const auto parent = request->parent().empty() ? "patients/-" : request->parent();
    // Who asked for what may hold vital signs is told apart in the audit.
    const auto admission =
        request->payload() ? guard_.admit(*context, "AlarmService.ListQuarantine with payload", roles::admins, {parent})
                           : guard_.admit(*context, "AlarmService.ListQuarantine", roles::readers, {parent});
    QuarantineQuery query;
    query.scope = admission.scope;
    query.subject = parse_parent("parent", request->parent());
    query.payload = request->payload();
    read_span_and_page(*request, query);
    const auto rows = store_.quarantine(query);
    const auto taken = fill_page(rows, [&](const QuarantineRow& row) {
      auto& record = *response->add_quarantined_records();
      record = to_proto(row);
      return record.ByteSizeLong();
    });
    auto next = rows.next;
    if (taken < rows.size()) next = Position{.at = rows[taken - 1].received_at, .device_id = rows[taken - 1].id};
    if (next) response->set_next_page_token(make_page_token(without_page(*request), to_place(*next)));
  });
}

}  // namespace wardlink::storage

// AlarmService.ListUnattributed and Settle.

#include <algorithm>

#include "storage/api/alarm_api.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {

grpc::Status AlarmApi::ListUnattributed(grpc::ServerContext* context, const v1::ListUnattributedRequest* request,
                                        v1::ListUnattributedResponse* response) {
  return answered([&] {
    const auto parent = request->parent().empty() ? "patients/-" : request->parent();
    const auto admission = guard_.admit(*context, "AlarmService.ListUnattributed", roles::readers, {parent});
    const auto whole = without_page(*request);
    UnattributedQuery query{.scope = admission.scope,
                            .subject = parse_parent("parent", request->parent()),
                            .limit = page_size_of(request->page_size())};
    if (!request->page_token().empty()) query.after = read_place(read_page_token(whole, request->page_token()));
    const auto rows = store_.unattributed(query);
    const auto taken = fill_page(rows, [&](const UnattributedPeriod& row) {
      auto& period = *response->add_periods();
      period = to_proto(row);
      return period.ByteSizeLong();
    });
    auto next = rows.next;
    if (taken < rows.size()) {
      const auto& last = rows[taken - 1];
      next = Position{.at = {}, .device_id = last.device_id, .boot = last.key.boot, .sequence = last.key.first_tick_ms};
    }
    if (next) response->set_next_page_token(make_page_token(whole, to_place(*next)));
  });
}

grpc::Status AlarmApi::Settle(grpc::ServerContext* context, const v1::SettleRequest* request,
                              v1::SettleResponse* response) {
  return answered([&] {
    constexpr int most_names = 100;
    const auto& names = request->names();
    std::vector<std::string> resources{names.begin(), names.begin() + std::min(names.size(), most_names)};
    if (!request->patient().empty()) resources.push_back(request->patient());
    const auto admission = guard_.admit(*context, "AlarmService.Settle", roles::carers, resources);
    if (names.empty() || names.size() > most_names) throw InvalidArgument("names", "must be 1 to 100 periods");
    if (request->patient().empty() != request->nobody())
      throw InvalidArgument("patient", "must be given, or nobody: not both, nor neither");
    std::vector<PeriodKey> periods;
    for (const auto& name : names) {
      periods.push_back(parse_period("names", name));
      if (std::ranges::count(periods, periods.back()) > 1) throw InvalidArgument("names", "names a period twice");
    }
    const auto patient = request->nobody() ? std::string() : parse_patient("patient", request->patient());
    for (const auto& period : store_.settle(admission.scope, periods, patient, subject_of(*context)))
      *response->add_periods() = to_proto(period);
  });
}

}  // namespace wardlink::storage

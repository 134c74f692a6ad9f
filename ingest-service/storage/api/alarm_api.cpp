#include "storage/api/alarm_api.hpp"

#include <algorithm>

#include "storage/wire/enums.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/page_token.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"
#include "storage/wire/text.hpp"

namespace wardlink::storage {
namespace {

AlarmsQuery query_of(const v1::ListAlarmsRequest& request) {
  AlarmsQuery query;
  query.subject = parse_parent("parent", request.parent());
  query.open_only = request.open_only();
  for (int i = 0; i < request.states_size(); ++i) {
    const auto state = from_proto(request.states(i));
    if (!state) throw InvalidArgument("states", "holds a state that is not known");
    query.states.push_back(static_cast<std::uint16_t>(*state));
  }
  read_span_and_page(request, query);
  return query;
}

constexpr int most_names = 100;  // a call

using Names = google::protobuf::RepeatedPtrField<std::string>;

/// For the audit.
std::vector<std::string> first_names(const Names& names) {
  return {names.begin(), names.begin() + std::min(names.size(), most_names)};
}

std::vector<AlarmKey> parse_alarms(const Names& names) {
  if (names.empty() || names.size() > most_names) throw InvalidArgument("names", "must be 1 to 100 alarms");
  std::vector<AlarmKey> alarms;
  for (const auto& name : names) alarms.push_back(parse_alarm("names", name));
  return alarms;
}

}  // namespace

grpc::Status AlarmApi::ListAlarms(grpc::ServerContext* context, const v1::ListAlarmsRequest* request,
                                  v1::ListAlarmsResponse* response) {
  return answered([&] {
    const auto parent = request->parent().empty() ? "patients/-" : request->parent();
    const auto scope = guard_.admit(*context, "AlarmService.ListAlarms", roles::readers, {parent});
    auto query = query_of(*request);
    query.scope = scope;
    const auto rows = store_.alarms(query);
    const auto taken = fill_page(rows, [&](const AlarmCondition& row) {
      auto& alarm = *response->add_alarms();
      alarm = to_proto(row);
      return alarm.ByteSizeLong();
    });
    auto next = rows.next;
    if (taken < rows.size()) {
      const auto& last = rows[taken - 1];
      next = {last.at(), last.device_id, last.boot, last.stream, last.sequence};
    }
    if (next) response->set_next_page_token(make_page_token(without_page(*request), to_place(*next)));
  });
}

grpc::Status AlarmApi::ListSystemAlarms(grpc::ServerContext* context, const v1::ListSystemAlarmsRequest* request,
                                        v1::ListSystemAlarmsResponse* response) {
  return answered([&] {
    const auto admission = guard_.admit(*context, "AlarmService.ListSystemAlarms", roles::readers, {});
    SystemAlarmsQuery query{
        .open_only = request->open_only(), .after = {}, .limit = page_size_of(request->page_size())};
    const auto whole = without_page(*request);
    if (!request->page_token().empty()) query.after = read_place(read_page_token(whole, request->page_token()));
    const auto page_size = query.limit++;
    const auto alarms = store_.system_alarms(query);
    const auto taken = std::min(alarms.size(), page_size);
    for (std::size_t i = 0; i < taken; ++i) *response->add_system_alarms() = to_proto(alarms[i]);
    if (taken == alarms.size()) return;
    const auto& last = alarms[taken - 1];
    response->set_next_page_token(make_page_token(whole, to_place({.at = last.raised_at, .device_id = last.id})));
  });
}

grpc::Status AlarmApi::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                             grpc::ServerWriter<v1::WatchResponse>* stream) {
  return live_.serve(*context, *request, *stream, {.method = "AlarmService.Watch", .sets = false});
}

grpc::Status AlarmApi::Acknowledge(grpc::ServerContext* context, const v1::AcknowledgeRequest* request,
                                   v1::AcknowledgeResponse* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "AlarmService.Acknowledge", roles::carers, first_names(request->names()));
    const auto alarms = parse_alarms(request->names());
    const auto subject = subject_of(*context);
    for (const auto& alarm : store_.acknowledge(scope, alarms, subject)) {
      auto& told = *response->add_alarms();
      told = to_proto(alarm);
      if (alarm.acknowledged_by != subject) response->add_acknowledged_by_others(told.name());
    }
  });
}

grpc::Status AlarmApi::CloseAlarms(grpc::ServerContext* context, const v1::CloseAlarmsRequest* request,
                                   v1::CloseAlarmsResponse* response) {
  return answered([&] {
    const auto scope = guard_.admit(*context, "AlarmService.CloseAlarms", roles::carers, first_names(request->names()));
    const auto alarms = parse_alarms(request->names());
    require_text("reason", request->reason());
    for (const auto& alarm : store_.close(scope, alarms, subject_of(*context), request->reason()))
      *response->add_alarms() = to_proto(alarm);
  });
}

}  // namespace wardlink::storage

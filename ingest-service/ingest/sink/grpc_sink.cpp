#include "ingest/sink/grpc_sink.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>

namespace wardlink::ingest {
namespace {

/// gRPC shares one connection among channels of equal arguments: the lane's name makes them differ.
std::shared_ptr<grpc::Channel> connect(const GrpcSink::Config& config, Lane lane) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = config.credentials.trusted_ca_pem;
  tls.pem_private_key = config.credentials.private_key_pem;
  tls.pem_cert_chain = config.credentials.certificate_pem;
  grpc::ChannelArguments arguments;
  arguments.SetString("wardlink.lane", to_string(lane));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // whatever http_proxy and its like say
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // also how long one attempt may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A storage host that vanishes without a word is noticed within 30 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(config.storage, grpc::SslCredentials(tls), arguments);
}

GrpcLane::Config lane_config(const GrpcSink::Config& config, Lane lane) {
  GrpcLane::Config own;
  own.queue.lane = lane;
  own.queue.capacity = lane == Lane::alarms ? config.alarms_capacity : config.readings_capacity;
  own.refused_backoff = config.refused_backoff;
  return own;
}

}  // namespace

GrpcSink::GrpcSink(const Config& config, Deliver deliver, GrpcLane::Notice notice, GrpcLane::Complain complain)
    : config_(config),
      readings_(connect(config, Lane::readings), lane_config(config, Lane::readings), deliver, notice, complain),
      alarms_(connect(config, Lane::alarms), lane_config(config, Lane::alarms), deliver, notice, complain) {}

void GrpcSink::renew(const StorageCredentials& credentials) {
  config_.credentials = credentials;
  readings_.renew(connect(config_, Lane::readings));
  alarms_.renew(connect(config_, Lane::alarms));
}

bool GrpcSink::drain(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const bool alarms = alarms_.drain(patience);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return readings_.drain(std::max(left, std::chrono::milliseconds{0})) && alarms;
}

GrpcSink::Stats GrpcSink::stats() const { return {readings_.stats(), alarms_.stats()}; }

}  // namespace wardlink::ingest

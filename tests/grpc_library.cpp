// gRPC of a test program ends before the process takes its own globals apart: its threads would use them, and what they
// hold would be a leak.

#include <grpc/grpc.h>

namespace {

struct GrpcLibrary final : testing::Environment {
  void SetUp() override { grpc_init(); }
  void TearDown() override { grpc_shutdown_blocking(); }
};
[[maybe_unused]] const auto* const grpc_library = testing::AddGlobalTestEnvironment(new GrpcLibrary);

}  // namespace

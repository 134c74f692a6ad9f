// Runs an executable's tests. Exit code 0: all passed; 1: one failed, or nothing ran; 77: none failed, and one was
// skipped.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const bool passed = RUN_ALL_TESTS() == 0;
  const auto& tests = *testing::UnitTest::GetInstance();
  if (!passed || tests.test_to_run_count() == 0) return 1;
  return tests.skipped_test_count() > 0 ? 77 : 0;
}

# Takes out of the file TESTS, which gtest_discover_tests() wrote, that a test's words tell whether it was skipped: its exit
# code does (main.cpp).
file(READ "${TESTS}" text)
string(REPLACE "SKIP_REGULAR_EXPRESSION [==[\\[  SKIPPED \\]]==] " "" mended "${text}")
if(mended MATCHES "SKIP_REGULAR_EXPRESSION")
  message(FATAL_ERROR "${TESTS} names SKIP_REGULAR_EXPRESSION in a way that ${CMAKE_CURRENT_LIST_FILE} does not know.")
endif()
file(WRITE "${TESTS}" "${mended}")

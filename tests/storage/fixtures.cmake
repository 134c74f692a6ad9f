# Read by ctest after the tests are known: these need the shared cluster started before them.
foreach(test IN LISTS storage_test_TESTS storage_contract_test_TESTS)
  set_tests_properties(${test} PROPERTIES FIXTURES_REQUIRED storage_cluster
    ENVIRONMENT "WARDLINK_TEST_CLUSTER=${CMAKE_CURRENT_LIST_DIR}/cluster")
endforeach()

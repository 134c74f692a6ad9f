# Read by ctest after the tests are known: these need the shared cluster started before them.
foreach(list IN ITEMS storage_record_test_TESTS storage_registry_test_TESTS storage_api_test_TESTS storage_watch_test_TESTS
    storage_aggregate_test_TESTS storage_waveform_test_TESTS storage_work_test_TESTS
    storage_open_alarm_test_TESTS)
  foreach(test IN LISTS ${list})
    set_tests_properties(${test} PROPERTIES FIXTURES_REQUIRED storage_cluster
      ENVIRONMENT "WARDLINK_TEST_CLUSTER=${CMAKE_CURRENT_LIST_DIR}/cluster")
  endforeach()
endforeach()

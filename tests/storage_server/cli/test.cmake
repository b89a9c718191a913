sharestore_script_test(servers_yaml_check
  python3 ${PROJECT_SOURCE_DIR}/tests/storage_server/cli/servers_yaml_check.py)
sharestore_script_test(listening_check
  /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/storage_server/cli/listening_check.py)
sharestore_script_test(kill_check
  python3 ${PROJECT_SOURCE_DIR}/tests/storage_server/cli/kill_check.py)

# Ten stores, 20 to 50 s each under the sanitizers on two slow cores that others use too.
set(test_timeout_s 1500)

# SPDX-License-Identifier: BSD-2-Clause
# What the short form of tools/check leaves to the long one (LEAT_TESTS_SHORT). Without a sanitizer it
# has every test; with one, not those that show nothing that others do not show. docs/verify.md says
# the same in words.

# leat_left_to_long(RESULT NAME): whether the short form does without this test.
function(leat_left_to_long result name)
	set(${result} OFF PARENT_SCOPE)
	if(LEAT_TESTS_SHORT AND LEAT_SANITIZE AND name IN_LIST left_to_long)
		set(${result} ON PARENT_SCOPE)
	endif()
endfunction()

# Scripts of this tree, and a program that is not built with sanitizers.
set(left_to_long cli_bench cli_packages cli_scripts)
if(LEAT_SANITIZE STREQUAL "thread")
	# Texts, options, messages and results: one thread reads or writes them. The threads of a flow
	# are those of the unit suites of flows and of stress_flow. The other shell tests stay, in which
	# another thread comes to a flow: signals, stops, time limits, the line of progress, counters
	# files, words of a shared object. Branches, ordered steps, tees and steps of time: their
	# threads are those of stress_flow, which has each kind of node.
	list(APPEND left_to_long cli_branches cli_check cli_files cli_filter cli_grammar cli_group cli_input
		cli_names cli_numbers cli_options cli_order cli_packed cli_questions cli_repeats cli_results
		cli_spans cli_tee cli_totals cli_totals_real cli_walk)
	# What the public headers say, how a flow is declared and drawn, how garbled files are read: one
	# thread. What steps do with items, and pairs: the threads are those of stress_flow, which has
	# each kind of node.
	list(APPEND left_to_long unit_abi unit_counters_read unit_flow_build unit_flow_draw
		unit_flow_library unit_flow_step unit_flow_streams unit_flow_zip unit_headers)
	# Steps of time: one island by the manual clock. Its ways to wait are those of the suites of
	# deadlines, pools and rings.
	list(APPEND left_to_long unit_flow_delay unit_flow_due unit_flow_time unit_flow_times
		unit_flow_tries unit_flow_window)
elseif(LEAT_SANITIZE MATCHES "address")
	# What ThreadSanitizer has above, which sees a use after a free as well, and what neither reads
	# texts nor keeps buffers: how threads wait, wake, stop, cancel, close and share. Leaks are the
	# census's to find (leat/test.h), in each build; the same sources are in stress programs, faults,
	# the soak test and fuzz targets under AddressSanitizer, and explored.
	foreach(suite bind breaker broadcast_ends broadcast_items broadcast_lag broadcast_meet
			broadcast_pool broadcast_stat chain chan_batch chan_close chan_close_all chan_fd
			chan_given_up chan_handle chan_overflow chan_owner chan_wait fence_refused
			flow_bridge_ends flow_end flow_order flow_pool flow_ring flow_trouble gen_end
			gen_into locks meet merge merge_fd os pool_books pool_looks pool_sink pool_step
			pool_wait rate scope scope_deadline scope_hook scope_join scope_tree scope_watch sem
			stop stop_names stop_signals times)
		list(APPEND left_to_long unit_${suite})
	endforeach()
endif()

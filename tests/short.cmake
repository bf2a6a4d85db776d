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
	# files, words of a shared object, branches.
	list(APPEND left_to_long cli_check cli_files cli_filter cli_grammar cli_group cli_input
		cli_names cli_numbers cli_options cli_packed cli_questions cli_repeats cli_results
		cli_totals cli_totals_real cli_walk)
	# What the public headers say, how a flow is declared and drawn, how garbled files are read: one
	# thread. What steps do with items, and pairs: the threads are those of stress_flow, which has
	# each kind of node.
	list(APPEND left_to_long unit_abi unit_counters_read unit_flow_build unit_flow_draw
		unit_flow_library unit_flow_step unit_flow_streams unit_flow_zip unit_headers)
	# Steps of time: one island by the manual clock. Its ways to wait are those of the suites of
	# deadlines, pools and rings.
	list(APPEND left_to_long unit_flow_delay unit_flow_due unit_flow_time unit_flow_times
		unit_flow_tries unit_flow_window)
endif()

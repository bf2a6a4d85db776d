# SPDX-License-Identifier: BSD-2-Clause
# Writes commit.h: what was built, and by which compiler. Run at each build; touches the file only when it changes.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE commit ERROR_QUIET
	OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed OR commit STREQUAL "")
	set(commit "no commit known")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define BENCH_COMMIT \"${commit}\"\n#define BENCH_COMPILER \"${COMPILER}\"\n")

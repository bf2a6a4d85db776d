/*
 * leat/leat.h: includes every other public header, but leat/test.h, which is for tests.
 *
 *     atomic.h   the seam: one verb for each memory ordering
 *     base.h     deadlines, wait policies, kinds of channels, causes
 *     ring/      bounded lock-free rings, in headers alone
 *     scope.h    the cancellation tree
 *     chan.h     channels: a ring and a state, behind two handles
 *     broadcast.h  one ring whose subscribers see every item
 *     select.h   waiting until one of several things can be done
 *     merge.h    one receiver over many channels
 *     pool.h     workers, on which generators run as steps
 *     gen.h      generators, tasks and pulled sequences
 *     pace.h     rates, semaphores, circuit breakers, back-offs
 *     stat.h     the figures of channels, generators and pools
 *     diag.h     a thread that exports these figures
 *     counters.h  reads these figures of another process
 *     why.h      what limits a flow, found from these figures
 *     io.h       sources: lines, follow, proc, tick, count
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_LEAT_H
#define LEAT_LEAT_H

#include <leat/broadcast.h>
#include <leat/chan.h>
#include <leat/counters.h>
#include <leat/diag.h>
#include <leat/gen.h>
#include <leat/io.h>
#include <leat/merge.h>
#include <leat/pace.h>
#include <leat/pool.h>
#include <leat/scope.h>
#include <leat/select.h>
#include <leat/stat.h>
#include <leat/version.h>
#include <leat/why.h>

#endif

// Four stages over channels in `leat bench flow`: leat-bench-go generators QUESTION COUNT answers nanoseconds an item, or "wrong".
//
// SPDX-License-Identifier: BSD-2-Clause
package main

import (
	"syscall"
	"time"
)

// The CPU time of this process, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// As in perf/flow_work.h.
func work(x uint64, works bool) uint64 {
	for i := 0; works && i < 4; i++ {
		x *= 0x9e3779b97f4a7c15
	}
	return x
}

func first(x uint64, works bool) uint64  { return work(x, works) + 12345 }
func second(x uint64, works bool) uint64 { return work(x, works) * 3 }
func third(x uint64, works bool) uint64  { return work(x, works) ^ x>>7 }
func keeps(x uint64, works bool) bool    { return work(x, works)&1 != 0 }

func stage(in <-chan uint64, works bool, change func(uint64, bool) uint64) <-chan uint64 {
	out := make(chan uint64, 1024)
	go func() {
		for x := range in {
			out <- change(x, works)
		}
		close(out)
	}()
	return out
}

func stages(items []uint64, works bool) []uint64 {
	in := make(chan uint64, 1024)
	kept := make(chan uint64, 1024)
	made := make([]uint64, 0, len(items))
	go func() {
		for _, x := range items {
			in <- x
		}
		close(in)
	}()
	mapped := stage(stage(stage(in, works, first), works, second), works, third)
	go func() {
		for x := range mapped {
			if keeps(x, works) {
				kept <- x
			}
		}
		close(kept)
	}()
	for x := range kept {
		made = append(made, x)
	}
	return made
}

func flow(count int, works bool) ([]float64, bool) {
	items := make([]uint64, count)
	x := uint64(88172645463325252)
	for i := range items {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		items[i] = x
	}
	cpu := cpuTime()
	began := time.Now()
	made := stages(items, works)
	took := per(began, count)
	cpu = cpuTime() - cpu
	n := 0
	for _, x := range items {
		y := third(second(first(x, works), works), works)
		if !keeps(y, works) {
			continue
		}
		if n == len(made) || made[n] != y {
			return nil, false
		}
		n++
	}
	return []float64{took, float64(cpu) / float64(count)}, n == len(made)
}

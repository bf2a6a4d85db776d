// Goroutines and closures in `leat bench generators` (and stages in `leat bench flow`, see flow.go): leat-bench-go generators QUESTION COUNT answers one line of numbers, or
// "wrong".
//
// SPDX-License-Identifier: BSD-2-Clause
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// As in perf/generators.h.
const rounds, pulled, passed = 16, 64, 8

func resident() uint64 {
	var size, pages uint64
	file, err := os.Open("/proc/self/statm")
	if err == nil {
		fmt.Fscan(file, &size, &pages)
		file.Close()
	}
	return pages * uint64(os.Getpagesize())
}

func grownEach(before uint64, count int) float64 {
	if now := resident(); now > before {
		return float64(now-before) / float64(count)
	}
	return 0
}

func per(began time.Time, operations int) float64 {
	return float64(time.Since(began).Nanoseconds()) / float64(operations)
}

func one(out chan<- uint64, value uint64) {
	out <- value
	close(out)
}

func oneAfterAnother(count int) ([]float64, bool) {
	var sum uint64
	ended := 0
	began := time.Now()
	for i := 0; i < count; i++ {
		out := make(chan uint64, 1)
		go one(out, uint64(i))
		sum += <-out
		if _, more := <-out; !more {
			ended++
		}
	}
	took := per(began, count)
	return []float64{took}, ended == count && sum == uint64(count)*uint64(count-1)/2
}

func countUp(out chan<- uint64, next uint64) {
	for {
		out <- next
		next++
	}
}

// Memory that is there before anything is made.
func handles(count int) []chan uint64 {
	all := make([]chan uint64, count)
	for i := range all {
		all[i] = nil
	}
	return all
}

func roundsSum(count, rounds uint64) uint64 {
	return rounds*(count*(count-1)/2) + count*(rounds*(rounds-1)/2)
}

func alive(count int) ([]float64, bool) {
	all := handles(count)
	before := resident()
	began := time.Now()
	for i := range all {
		all[i] = make(chan uint64, 1)
		go countUp(all[i], uint64(i))
	}
	create := per(began, count)
	began = time.Now()
	var sum uint64
	for r := 0; r < rounds; r++ {
		for i := range all {
			sum += <-all[i]
		}
	}
	value := per(began, count*rounds)
	bytes := grownEach(before, count)
	return []float64{bytes, create, value}, sum == roundsSum(uint64(count), rounds)
}

//go:noinline
func closure(end uint64) func() (uint64, bool) {
	next := uint64(0)
	return func() (uint64, bool) {
		if next == end {
			return 0, false
		}
		next++
		return next - 1, true
	}
}

func pullPointer(count int) ([]float64, bool) {
	count *= pulled
	var sum uint64
	next := closure(uint64(count))
	began := time.Now()
	for value, more := next(); more; value, more = next() {
		sum += value
	}
	return []float64{per(began, count)}, sum == uint64(count)*uint64(count-1)/2
}

type counter struct {
	next, end uint64
}

func (c *counter) pull() (uint64, bool) {
	if c.next == c.end {
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

// What Go's compiler sees through is a method.
func pullSeen(count int) ([]float64, bool) {
	count *= pulled
	var sum uint64
	c := counter{0, uint64(count)}
	began := time.Now()
	for value, more := c.pull(); more; value, more = c.pull() {
		sum += value
	}
	return []float64{per(began, count)}, sum == uint64(count)*uint64(count-1)/2
}

func pass(count, capacity int) ([]float64, bool) {
	runtime.GOMAXPROCS(1)
	count *= passed
	out := make(chan uint64, capacity)
	var sum uint64
	var done sync.WaitGroup
	done.Add(1)
	began := time.Now()
	go func() {
		for i := 0; i < count; i++ {
			out <- uint64(i)
		}
		close(out)
	}()
	go func() {
		for value := range out {
			sum += value
		}
		done.Done()
	}()
	done.Wait()
	return []float64{per(began, count)}, sum == uint64(count)*uint64(count-1)/2
}

func cancelAll(count int) ([]float64, bool) {
	all := handles(count)
	before := resident()
	quit := make(chan struct{})
	var ended sync.WaitGroup
	ended.Add(count)
	for i := range all {
		all[i] = make(chan uint64, 1)
		go func(out chan<- uint64, next uint64) {
			defer ended.Done()
			for {
				select {
				case out <- next:
					next++
				case <-quit:
					return
				}
			}
		}(all[i], uint64(i))
	}
	var sum uint64
	for i := range all {
		sum += <-all[i]
	}
	began := time.Now()
	close(quit)
	ended.Wait()
	cancel := per(began, 1000000)
	began = time.Now()
	for i := range all {
		all[i] = nil
	}
	debug.FreeOSMemory()
	free := per(began, 1000000)
	return []float64{cancel, free, grownEach(before, count)}, sum == roundsSum(uint64(count), 1)
}

func generators(question, number string) {
	var values []float64
	good := false
	count, _ := strconv.Atoi(number)
	switch question {
	case "after1":
		runtime.GOMAXPROCS(1)
		values, good = oneAfterAnother(count)
	case "after":
		values, good = oneAfterAnother(count)
	case "alive":
		debug.SetGCPercent(-1) // nothing here is garbage, and looking for it doubles the times
		values, good = alive(count)
	case "pointer":
		values, good = pullPointer(count)
	case "seen":
		values, good = pullSeen(count)
	case "pass64":
		values, good = pass(count, 64)
	case "pass1":
		values, good = pass(count, 1)
	case "cancel":
		values, good = cancelAll(count)
	case "flow":
		values, good = flow(count, false)
	case "flowworks":
		values, good = flow(count, true)
	}
	if !good {
		fmt.Println("wrong")
		return
	}
	line := ""
	for _, value := range values {
		line += fmt.Sprintf("%.6g ", value)
	}
	fmt.Println(line)
}

// leat-bench-go: Go's channels as contestants of leat-bench, which starts this program and asks it for samples.
//
// A question is a line of numbers: measure (0 throughput, 1 round trip, 2 at a fixed rate, 3 idle, 4 a select over 8 channels:
// from a producer each, from one for all, or with 0 of them sent by who selects), bytes of an item, producers, consumers,
// capacity, operations (idle: milliseconds), nanoseconds between two items, whether each goroutine has a thread of its own, and
// how many items make a batch.
// The answer is a line: nanoseconds an operation (idle: milliseconds of CPU a second), then pairs of a histogram's bucket
// and its count; or "wrong".
//
// SPDX-License-Identifier: BSD-2-Clause
package main

import (
	"bufio"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

type word8 [1]uint64
type word64 [8]uint64
type word256 [32]uint64
type item interface{ word8 | word64 | word256 }

type question struct {
	measure, itemSize, producers, consumers, capacity, operations, interval, threads, batch int
}

type answer struct {
	ns      float64
	buckets map[int]int
	wrong   bool
}

func fill[T item](to *T, value uint64) {
	for w := 0; w < len(*to); w++ {
		(*to)[w] = value
	}
}

// As in perf/contestant.h.
func bucket(ns int64) int {
	if ns < 0 {
		ns = 0
	}
	if ns < 128 {
		return int(ns)
	}
	octave := 57 - bits.LeadingZeros64(uint64(ns))
	return octave*128 + int(uint64(ns)>>(octave-1)&127)
}

func produce[T item](to chan<- T, producer int, count int) {
	base := uint64(producer) << 48
	var item T
	for n := 1; n <= count; n++ {
		fill(&item, base|uint64(n))
		to <- item
	}
}

// Answers the sum, and whether each producer's items came whole and in order.
func consume[T item](from <-chan T, count int) (uint64, bool) {
	var last [8]uint64
	var sum, wrong uint64
	for n := 0; n < count; n++ {
		item := <-from
		value := item[0]
		producer := value >> 48 & 7
		if value <= last[producer] {
			wrong |= 1
		}
		last[producer] = value
		for w := 1; w < len(item); w++ {
			wrong |= item[w] ^ value
		}
		sum += value
	}
	return sum, wrong == 0
}

// Runs each on a goroutine, and answers the time from the first start to the last end.
func together(threads bool, bodies []func()) time.Duration {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for _, body := range bodies {
		ready.Add(1)
		done.Add(1)
		go func(body func()) {
			defer done.Done()
			if threads {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			ready.Done()
			<-start
			body()
		}(body)
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	return time.Since(began)
}

// Go has no call for several items: a channel of slices, as many as hold the capacity, is how one sends batches there.
func produceBatches[T item](to chan<- []T, producer int, count int, batch int) {
	base := uint64(producer) << 48
	for n := 0; n < count; {
		items := make([]T, min(batch, count-n))
		for i := range items {
			n++
			fill(&items[i], base|uint64(n))
		}
		to <- items
	}
}

// As consume, until the channel is closed.
func consumeBatches[T item](from <-chan []T) (uint64, bool) {
	var last [8]uint64
	var sum, wrong uint64
	for items := range from {
		for i := range items {
			value := items[i][0]
			producer := value >> 48 & 7
			if value <= last[producer] {
				wrong |= 1
			}
			last[producer] = value
			for w := 1; w < len(items[i]); w++ {
				wrong |= items[i][w] ^ value
			}
			sum += value
		}
	}
	return sum, wrong == 0
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// How a sample's producers and consumers move its items.
type way struct {
	produce func(producer int, count int)
	consume func(count int) (uint64, bool)
	ended   func()
}

func oneByOne[T item](q question) way {
	channel := make(chan T, q.capacity)
	return way{
		func(producer int, count int) { produce(channel, producer, count) },
		func(count int) (uint64, bool) { return consume(channel, count) },
		func() {},
	}
}

func inBatches[T item](q question) way {
	channel := make(chan []T, (q.capacity+q.batch-1)/q.batch)
	return way{
		func(producer int, count int) { produceBatches(channel, producer, count, q.batch) },
		func(int) (uint64, bool) { return consumeBatches(channel) },
		func() { close(channel) },
	}
}

func throughput[T item](q question) answer {
	w := oneByOne[T](q)
	if q.batch > 1 {
		w = inBatches[T](q)
	}
	var producing sync.WaitGroup
	sums, good := make([]uint64, q.consumers), make([]bool, q.consumers)
	var bodies []func()
	for p := 0; p < q.producers; p++ {
		p := p
		producing.Add(1)
		bodies = append(bodies, func() {
			defer producing.Done()
			w.produce(p, q.operations/q.producers)
		})
	}
	for c := 0; c < q.consumers; c++ {
		c := c
		bodies = append(bodies, func() { sums[c], good[c] = w.consume(q.operations / q.consumers) })
	}
	go func() {
		producing.Wait()
		w.ended()
	}()
	took := together(q.threads != 0, bodies)
	a := answer{ns: float64(took.Nanoseconds()) / float64(q.operations)}
	var sum, pushed uint64
	for c := range sums {
		sum += sums[c]
		a.wrong = a.wrong || !good[c]
	}
	each := uint64(q.operations / q.producers)
	for p := 0; p < q.producers; p++ {
		pushed += uint64(p)<<48*each + each*(each+1)/2
	}
	a.wrong = a.wrong || sum != pushed
	return a
}

func roundTrip[T item](q question) answer {
	there, back := make(chan T, q.capacity), make(chan T, q.capacity)
	good := true
	took := together(q.threads != 0, []func(){
		func() {
			var item T
			for n := 1; n <= q.operations; n++ {
				fill(&item, uint64(n))
				there <- item
				item = <-back
				good = good && item[0] == uint64(n)
			}
		},
		func() {
			for n := 1; n <= q.operations; n++ {
				back <- <-there
			}
		},
	})
	return answer{ns: float64(took.Nanoseconds()) / float64(q.operations), wrong: !good}
}

func paced[T item](q question) answer {
	channel := make(chan T, q.capacity)
	buckets := map[int]int{}
	good := true
	zero := time.Now()
	took := together(q.threads != 0, []func(){
		func() {
			var item T
			due := time.Since(zero).Nanoseconds()
			for n := 1; n <= q.operations; n++ {
				due += int64(q.interval)
				fill(&item, uint64(due))
				for time.Since(zero).Nanoseconds() < due {
				}
				channel <- item
			}
		},
		func() {
			var last uint64
			for n := 1; n <= q.operations; n++ {
				item := <-channel
				buckets[bucket(time.Since(zero).Nanoseconds()-int64(item[0]))]++
				good = good && item[0] > last
				last = item[0]
			}
		},
	})
	return answer{ns: float64(took.Nanoseconds()) / float64(q.operations), buckets: buckets, wrong: !good}
}

const selected = 8

// Takes count items by a select over all the channels; the sum, and whether each channel's came in order.
func choose(from *[selected]chan word8, count int, before func(n int)) (uint64, bool) {
	var last [selected]uint64
	var sum uint64
	good := true
	for n := 1; n <= count; n++ {
		var item word8
		which := 0
		before(n)
		select {
		case item = <-from[0]:
		case item = <-from[1]:
			which = 1
		case item = <-from[2]:
			which = 2
		case item = <-from[3]:
			which = 3
		case item = <-from[4]:
			which = 4
		case item = <-from[5]:
			which = 5
		case item = <-from[6]:
			which = 6
		case item = <-from[7]:
			which = 7
		}
		good = good && item[0] > last[which]
		last[which] = item[0]
		sum += item[0]
	}
	return sum, good
}

func selects(q question) answer {
	var channels [selected]chan word8
	for i := range channels {
		channels[i] = make(chan word8, q.capacity)
	}
	var sum uint64
	var good bool
	before := func(n int) {}
	if q.producers == 0 {
		before = func(n int) { channels[n%selected] <- word8{uint64(n)} }
	}
	bodies := []func(){func() { sum, good = choose(&channels, q.operations, before) }}
	for p := 0; p < q.producers; p++ {
		p := p
		bodies = append(bodies, func() {
			for n := p + 1; n <= q.operations; n += q.producers {
				channels[(n-1)%selected] <- word8{uint64(n)}
			}
		})
	}
	took := together(q.threads != 0, bodies)
	all := uint64(q.operations)
	return answer{ns: float64(took.Nanoseconds()) / float64(q.operations), wrong: !good || sum != all*(all+1)/2}
}

func usedMs() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e6
}

// A receiver at an empty channel and a sender at a full one, while the CPU time of the whole program is read: where
// nothing runs, Go's own threads sleep too.
func idle(q question) answer {
	empty, full := make(chan word8, q.capacity), make(chan word8, q.capacity)
	var ms float64
	for n := 0; n < q.capacity; n++ {
		full <- word8{}
	}
	together(q.threads != 0, []func(){
		func() { <-empty },
		func() { full <- word8{} },
		func() {
			time.Sleep(100 * time.Millisecond)
			before := usedMs()
			time.Sleep(time.Duration(q.operations) * time.Millisecond)
			ms = (usedMs() - before) * 1000 / float64(q.operations)
			empty <- word8{}
			<-full
		},
	})
	return answer{ns: ms}
}

func ask[T item](q question) answer {
	switch q.measure {
	case 0:
		return throughput[T](q)
	case 1:
		return roundTrip[T](q)
	case 2:
		return paced[T](q)
	case 4:
		return selects(q)
	default:
		return idle(q)
	}
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "generators" {
		generators(os.Args[2], os.Args[3])
		return
	}
	debug.SetGCPercent(-1) // what a sample leaves is collected after it
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var q question
		var a answer
		_, err := fmt.Fscanln(in, &q.measure, &q.itemSize, &q.producers, &q.consumers, &q.capacity, &q.operations,
			&q.interval, &q.threads, &q.batch)
		if err != nil {
			return
		}
		switch q.itemSize {
		case 8:
			a = ask[word8](q)
		case 64:
			a = ask[word64](q)
		default:
			a = ask[word256](q)
		}
		if a.wrong {
			fmt.Fprintln(out, "wrong")
		} else {
			fmt.Fprintf(out, "%.3f", a.ns)
			for b, count := range a.buckets {
				fmt.Fprintf(out, " %d %d", b, count)
			}
			fmt.Fprintln(out)
		}
		out.Flush()
		runtime.GC()
	}
}

// leat-bench-disruptor: the LMAX Disruptor as a contestant of leat-bench, which starts this program for one shape and asks
// it for samples. Its arguments: the shape (as in perf/topics.h), producers, consumers, bytes of an item, items in a batch,
// capacity, 1 if there are more threads than cores, and 1 if a sender without room tries again by itself instead of by
// next(), which sleeps. It says "ready" when its threads side-0, side-1, ... (producers, then consumers) can be pinned.
//
// A question is a line with the number of items. The answer is a line: nanoseconds an item, the producers' CPU nanoseconds
// an item; or "wrong".
//
// SPDX-License-Identifier: BSD-2-Clause
import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.InsufficientCapacityException;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import com.lmax.disruptor.YieldingWaitStrategy;
import com.lmax.disruptor.dsl.ProducerType;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;

public final class Bench {
	static final int PIPELINE = 1, DIAMOND = 2;

	static class Event {
		long value;

		void fill(long v) {
			value = v;
		}

		long difference(long v) {
			return 0;
		}
	}

	static final class Event64 extends Event {
		long b, c, d, e, f, g, h;

		@Override
		void fill(long v) {
			value = b = c = d = e = f = g = h = v;
		}

		@Override
		long difference(long v) {
			return (b ^ v) | (c ^ v) | (d ^ v) | (e ^ v) | (f ^ v) | (g ^ v) | (h ^ v);
		}
	}

	static int shape, producers, consumers, batch, capacity;
	static boolean crowded, tries;
	static RingBuffer<Event> ring;
	static Sequence[] heads;
	static long items, base; // base: the sequence before a sample's first
	static CyclicBarrier gate;
	static final AtomicInteger missing = new AtomicInteger();
	static long[] began, over, cpu, sums;
	static boolean[] good;
	static final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

	static int pause(int failed) {
		if (crowded && failed == 64) {
			Thread.yield();
			return 0;
		}
		Thread.onSpinWait();
		return failed + 1;
	}

	static long tryNext(RingBuffer<Event> to, int n) {
		int failed = 0;
		for (;;) {
			try {
				return n == 1 ? to.tryNext() : to.tryNext(n);
			} catch (InsufficientCapacityException full) {
				failed = pause(failed);
			}
		}
	}

	// With one sender: waits until there is room, so that next() need not. Knows the limit of its last wait.
	static long waitForRoom(RingBuffer<Event> to, long last, long capacity) {
		int failed = 0;
		long lowest;
		while ((lowest = to.getMinimumGatingSequence()) < last - capacity)
			failed = pause(failed);
		return lowest + capacity;
	}

	static void produce(RingBuffer<Event> to, long from, long count) {
		for (long n = 1; n <= count; n++) {
			long at = to.next();
			to.get(at).fill(from + n);
			to.publish(at);
		}
	}

	static void produceBatches(RingBuffer<Event> to, long from, long count, int batch) {
		for (long n = 1; n <= count; n += batch) {
			long hi = to.next(batch), lo = hi - batch + 1;
			for (int i = 0; i < batch; i++)
				to.get(lo + i).fill(from + n + i);
			to.publish(lo, hi);
		}
	}

	static void produceTrying(RingBuffer<Event> to, long from, long count, int batch, boolean alone, long capacity) {
		long room = Long.MIN_VALUE, next = base;
		for (long n = 1; n <= count; n += batch) {
			long hi, lo;
			if (alone) {
				next += batch;
				if (next > room)
					room = waitForRoom(to, next, capacity);
				hi = batch == 1 ? to.next() : to.next(batch);
			} else {
				hi = tryNext(to, batch);
			}
			lo = hi - batch + 1;
			for (int i = 0; i < batch; i++)
				to.get(lo + i).fill(from + n + i);
			if (batch == 1)
				to.publish(hi);
			else
				to.publish(lo, hi);
		}
	}

	// What a BatchEventProcessor does, with all that it needs in locals.
	static void consume(int c, SequenceBarrier barrier, Sequence head, long count, boolean alone) throws Exception {
		RingBuffer<Event> from = ring;
		long next = head.get() + 1, until = head.get() + count, first = next - 1, sum = 0, wrong = 0;
		long[] last = new long[8];
		while (next <= until) {
			long available = barrier.waitFor(next);
			for (; next <= available; next++) {
				Event event = from.get(next);
				long value = event.value;
				wrong |= event.difference(value);
				if (alone) {
					wrong |= value ^ (next - first);
				} else {
					int p = (int) (value >>> 48) & 7;
					if (value <= last[p])
						wrong |= 1;
					last[p] = value;
				}
				sum += value;
			}
			head.set(available);
		}
		sums[c] = sum;
		good[c] = wrong == 0;
	}

	static void part(int i, SequenceBarrier barrier) throws Exception {
		long before = threads.getCurrentThreadCpuTime();
		began[i] = System.nanoTime();
		if (i >= producers)
			consume(i - producers, barrier, heads[i - producers], items, producers == 1);
		else if (tries)
			produceTrying(ring, (long) i << 48, items / producers, batch, producers == 1, capacity);
		else if (batch == 1)
			produce(ring, (long) i << 48, items / producers);
		else
			produceBatches(ring, (long) i << 48, items / producers, batch);
		over[i] = System.nanoTime();
		cpu[i] = threads.getCurrentThreadCpuTime() - before;
	}

	static void run(int i, SequenceBarrier barrier) {
		try {
			gate.await(); // it has its name
			for (;;) {
				gate.await();
				missing.decrementAndGet();
				for (int failed = 0; missing.get() != 0;)
					failed = pause(failed);
				part(i, barrier);
				gate.await();
			}
		} catch (Exception e) {
			System.exit(1);
		}
	}

	static SequenceBarrier barrier(int c) {
		if (shape == PIPELINE && c > 0)
			return ring.newBarrier(heads[c - 1]);
		if (shape == DIAMOND && c == 2)
			return ring.newBarrier(heads[0], heads[1]);
		return ring.newBarrier();
	}

	static void open(boolean big) throws Exception {
		ring = RingBuffer.create(producers == 1 ? ProducerType.SINGLE : ProducerType.MULTI,
			() -> big ? new Event64() : new Event(), capacity,
			crowded ? new YieldingWaitStrategy() : new BusySpinWaitStrategy());
		heads = new Sequence[consumers];
		for (int c = 0; c < consumers; c++)
			heads[c] = new Sequence();
		if (shape == PIPELINE || shape == DIAMOND)
			ring.addGatingSequences(heads[consumers - 1]); // the others are before it
		else
			ring.addGatingSequences(heads);
		int all = producers + consumers;
		gate = new CyclicBarrier(all + 1);
		began = new long[all];
		over = new long[all];
		cpu = new long[all];
		sums = new long[consumers];
		good = new boolean[consumers];
		for (int i = 0; i < all; i++) {
			int side = i;
			SequenceBarrier barrier = i < producers ? null : barrier(i - producers);
			Thread thread = new Thread(() -> run(side, barrier), "side-" + i);
			thread.setDaemon(true);
			thread.start();
		}
		gate.await();
	}

	static String sample(long count) throws Exception {
		long each = count / producers, sent = 0, first = Long.MAX_VALUE, last = Long.MIN_VALUE, used = 0;
		boolean right = true;
		items = count;
		base = ring.getCursor();
		missing.set(producers + consumers);
		gate.await();
		gate.await();
		for (int i = 0; i < producers + consumers; i++) {
			first = Math.min(first, began[i]);
			last = Math.max(last, over[i]);
		}
		for (int p = 0; p < producers; p++) {
			sent += ((long) p << 48) * each + each * (each + 1) / 2;
			used += cpu[p];
		}
		for (int c = 0; c < consumers; c++)
			right &= good[c] && sums[c] == sent;
		return right ? (double) (last - first) / count + " " + (double) used / count : "wrong";
	}

	public static void main(String[] args) throws Exception {
		int[] a = new int[args.length];
		for (int i = 0; i < args.length; i++)
			a[i] = Integer.parseInt(args[i]);
		shape = a[0];
		producers = a[1];
		consumers = a[2];
		batch = a[4];
		capacity = a[5];
		crowded = a[6] != 0;
		tries = a[7] != 0;
		open(a[3] == 64);
		System.out.println("ready");
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = in.readLine()) != null;)
			System.out.println(sample(Long.parseLong(line)));
		System.exit(0);
	}
}

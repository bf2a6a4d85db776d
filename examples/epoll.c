/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A channel and a timer in an epoll loop of the program's own. A generator sends primes, and the
 * loop prints how far it is each time the timer fires.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int primes(struct leat_tx *out, void *arg)
{
	uint64_t most = *(uint64_t *)arg;
	int rc = 0;

	for (uint64_t n = 2; n < most && rc == 0; n++) {
		uint64_t d = 2;

		while (d * d <= n && n % d != 0)
			d++;
		if (d * d > n)
			rc = leat_send(out, &n);
	}
	return rc;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		perror("epoll");
}

/* Receives all items that are there. Returns whether more may come. */
static bool take_all(struct leat_rx *rx, uint64_t *count, uint64_t *last)
{
	int r;

	while ((r = leat_try_recv(rx, last)) == 1)
		++*count;
	return r == -EAGAIN;
}

int main(void)
{
	struct itimerspec each = { .it_interval.tv_nsec = 20000000, .it_value.tv_nsec = 20000000 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int epoll = epoll_create1(EPOLL_CLOEXEC),
	    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	uint64_t most = 1000000, count = 0, last = 0, fired = 0, times;
	struct epoll_event events[2];
	struct leat_rx *rx;

	if (scope == NULL || leat_gen(scope, primes, &most, sizeof(uint64_t), NULL, &rx) < 0)
		return 1;
	watch(epoll, leat_rx_fd(rx));
	watch(epoll, timer);
	timerfd_settime(timer, 0, &each, NULL);
	while (take_all(rx, &count, &last)) {
		/*
		 * If an item has come since, leat_rx_arm() returns 1: then poll the descriptors
		 * without a sleep.
		 */
		int n = epoll_wait(epoll, events, 2, leat_rx_arm(rx) == 0 ? -1 : 0);

		for (int i = 0; i < n; i++)
			if (events[i].data.fd == timer &&
			    read(timer, &times, sizeof(times)) == sizeof(times)) {
				fired++;
				printf("%" PRIu64 " primes, the last is %" PRIu64 "\n", count,
				       last);
			}
	}
	printf("%" PRIu64 " primes below %" PRIu64 ", told %" PRIu64 " times on the way\n", count,
	       most, fired);
	leat_rx_close(rx); /* closes its descriptor too */
	close(timer);
	close(epoll);
	leat_scope_close(scope);
	return count == 78498 ? 0 : 1;
}

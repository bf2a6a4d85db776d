/*
 * tests/unit/export_http.c: HTTP as a client meets it: addresses, pages, many clients, slow ones,
 * and those that send garbage.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "export.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

TestSuite(export_http, .timeout = 600);

static struct leat_export *listen_at(const char *listen)
{
	return leat_export_start(
		&(struct leat_export_opts){ .listen = listen,
	                                    .processes = &(const char *const){ "/nowhere/at/all" },
	                                    .processes_count = 1 });
}

/* A socket that is connected to the exporter; a wait there has an end. */
static int connect_to(const struct leat_export *exporter)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_port = htons(leat_export_port(exporter)),
		                  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct timeval patience = { .tv_sec = PATIENCE_NS / 1000000000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void send_text(int fd, const char *text, size_t size)
{
	cr_assert_eq(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads until the other side closes. Returns how many bytes came; -1: nothing came for long. */
static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t size = 0;
	ssize_t n;
	while ((n = recv(fd, text + size, room - 1 - size, 0)) > 0)
		size += (size_t)n;
	text[size] = '\0';
	return n < 0 && errno != ECONNRESET ? -1 : (ssize_t)size;
}

static char answer[1000000];

static void ask(struct leat_export *exporter, const char *request)
{
	int fd = connect_to(exporter);
	send_text(fd, request, strlen(request));
	cr_expect_gt(read_all(fd, answer, sizeof(answer)), 0, "%s", request);
	close(fd);
}

#define CLOSE "Host: localhost\r\nConnection: close\r\n"

static bool is_metrics(void)
{
	return strncmp(answer, "HTTP/1.1 200 ", 13) == 0 &&
	       strstr(answer, "\nleat_export_scrapes_total ") != NULL;
}

Test(export_http, pages)
{
	struct leat_export *exporter = listen_at("127.0.0.1:0");
	cr_assert_not_null(exporter);
	cr_expect_neq(leat_export_port(exporter), 0);
	ask(exporter, "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect(is_metrics(), "%s", answer);
	cr_expect_not_null(
		strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	ask(exporter, "GET /metrics?name=x HTTP/1.1\r\nAccept: "
	              "application/openmetrics-text;version=1.0.0\r\n" CLOSE "\r\n");
	cr_expect(is_metrics(), "%s", answer);
	cr_expect_not_null(strstr(answer, "\r\nContent-Type: application/openmetrics-text; "
	                                  "version=1.0.0; charset=utf-8\r\n"));
	cr_expect_str_eq(answer + strlen(answer) - 6, "# EOF\n");
	ask(exporter, "HEAD /metrics HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect_eq(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
	cr_expect_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n", "no body");
	ask(exporter, "GET / HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect_not_null(strstr(answer, "the metrics are at /metrics\n"));
	ask(exporter, "GET /metric HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect_eq(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
	ask(exporter, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "\r\nx=y");
	cr_expect_eq(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
	cr_expect_not_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
	ask(exporter, "BREW / HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect_eq(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
	leat_export_stop(exporter);
}

Test(export_http, addresses)
{
	static const char *const bad[] = { "127.0.0.1",
		                           "9464",
		                           ":9464",
		                           "127.0.0.1:",
		                           "127.0.0.1:65536",
		                           "127.0.0.1:123456",
		                           "127.0.0.1:-1",
		                           "127.0.0.1: 1",
		                           "127.0.0.1:http",
		                           "localhost:0",
		                           "::1:0",
		                           "[::1]",
		                           "[127.0.0.1:0",
		                           "[]:0",
		                           "[zz]:0",
		                           "300.0.0.1:0",
		                           "a.host.that.has.a.long.name.which.is.longer.than.any."
		                           "address.may.be:0" };
	for (size_t i = 0; i < COUNT(bad); i++) {
		cr_expect_null(listen_at(bad[i]), "%s", bad[i]);
		cr_expect_eq(leat_open_error(), -EINVAL, "%s: %d", bad[i], leat_open_error());
	}
	cr_expect_null(listen_at("192.0.2.1:0"), "an address of no machine");
	cr_expect_eq(leat_open_error(), -EADDRNOTAVAIL);
	struct leat_export *exporter = listen_at("127.0.0.1:0");
	char taken[32];
	cr_assert_not_null(exporter);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", leat_export_port(exporter));
	cr_expect_null(listen_at(taken));
	cr_expect_eq(leat_open_error(), -EADDRINUSE);
	leat_export_stop(exporter);
	exporter = listen_at(taken); /* at once, although clients may have been there */
	cr_expect_not_null(exporter);
	leat_export_stop(exporter);
}

Test(export_http, an_address_of_ipv6)
{
	struct leat_export *exporter = listen_at("[::1]:0");
	if (exporter == NULL &&
	    (leat_open_error() == -EADDRNOTAVAIL || leat_open_error() == -EAFNOSUPPORT))
		cr_skip("there is no IPv6 here");
	cr_assert_not_null(exporter);
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		                   .sin6_port = htons(leat_export_port(exporter)),
		                   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	static const char request[] = "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n";
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	send_text(fd, request, strlen(request));
	cr_expect_gt(read_all(fd, answer, sizeof(answer)), 0);
	cr_expect(is_metrics());
	close(fd);
	leat_export_stop(exporter);
}

/* All have asked before the first reads; each gets the whole text. */
Test(export_http, fifty_clients_at_once)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n";
	struct leat_export *exporter = listen_at("127.0.0.1:0");
	int fds[50];
	cr_assert_not_null(exporter);
	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = connect_to(exporter);
	for (size_t i = 0; i < COUNT(fds); i++)
		send_text(fds[i], request, strlen(request));
	for (size_t i = 0; i < COUNT(fds); i++) {
		cr_expect_gt(read_all(fds[i], answer, sizeof(answer)), 0, "%zu", i);
		cr_expect(is_metrics(), "%zu", i);
		close(fds[i]);
	}
	leat_export_stop(exporter);
}

/* Clients that send half a request, or do not read what they get, are in nobody's way. */
Test(export_http, slow_clients)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n";
	struct leat_export *exporter = listen_at("127.0.0.1:0");
	int fds[30];
	cr_assert_not_null(exporter);
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = connect_to(exporter);
		send_text(fds[i], request, i % 3 == 0 ? 7 : i % 3 == 1 ? 0 : strlen(request));
	}
	int64_t begun_ns = leat_now_ns();
	ask(exporter, request);
	cr_expect(is_metrics());
	cr_expect_lt(leat_now_ns() - begun_ns, 5000 * MS, "not after a time-out of the others");
	for (int n = 0; n < 200; n++) { /* more than there may be at a time, which have left */
		int fd = connect_to(exporter);
		send_text(fd, request, 7);
		close(fd);
	}
	begun_ns = leat_now_ns();
	ask(exporter, request);
	cr_expect_lt(leat_now_ns() - begun_ns, 5000 * MS, "not after a time-out of what left");
	send_text(fds[0], request + 7, strlen(request) - 7);
	cr_expect_gt(read_all(fds[0], answer, sizeof(answer)), 0);
	cr_expect(is_metrics(), "a slow one is served, too");
	leat_export_stop(exporter); /* while the others are there */
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
}

Test(export_http, garbage)
{
	struct leat_export *exporter = listen_at("127.0.0.1:0");
	static char long_line[100000];
	unsigned seed = 5;
	cr_assert_not_null(exporter);
	memset(long_line, 'a', sizeof(long_line) - 1);
	for (int n = 0; n < 200; n++) {
		char bytes[300];
		int fd = connect_to(exporter);
		size_t size = 1 + (size_t)rand_r(&seed) % sizeof(bytes);
		for (size_t i = 0; i < size; i++)
			bytes[i] = (char)rand_r(&seed);
		if (n % 4 == 0)
			memcpy(bytes, "GET ", size < 4 ? size : 4);
		send(fd, bytes, size, MSG_NOSIGNAL);
		if (n % 16 == 0)
			send(fd, long_line, sizeof(long_line), MSG_NOSIGNAL);
		if (n % 2 == 0) {
			shutdown(fd, SHUT_WR);
			cr_expect_geq(read_all(fd, answer, sizeof(answer)), 0, "%d", n);
		}
		close(fd);
	}
	ask(exporter, "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n");
	cr_expect(is_metrics());
	leat_export_stop(exporter);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "export/export.h"

#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENTS_MOST = 64,   /* at a time; further ones wait until one has ended */
	TIMEOUT_S = 10,      /* of a client that neither sends nor receives */
	CLIENT_BYTES = 16384 /* for a request */
};

static const char where_text[] = "leat: the metrics are at /metrics\n";
static const char missing_text[] = "there is no such page; the metrics are at /metrics\n";
static const char method_text[] = "only GET and HEAD\n";
static const char failed_text[] = "the figures could not be written: out of memory\n";

/* Sends a response, which it frees; of NULL, which there was no memory for, the client is dropped.
 */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     const char *content_type, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_line(struct MHD_Connection *connection, unsigned status,
                                 const char *line)
{
	return send_response(connection, status, "text/plain; charset=utf-8",
	                     MHD_create_response_from_buffer(strlen(line), (void *)(uintptr_t)line,
	                                                     MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result send_metrics(struct leat_export *exporter, struct MHD_Connection *connection)
{
	enum leat_export_format format = leat_export_negotiate(
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	struct MHD_Response *response;
	char *text;
	size_t size;

	if (leat_export_render(exporter, format, &text, &size) < 0)
		return send_line(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, failed_text);
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	return send_response(connection, MHD_HTTP_OK, leat_export_content_type(format), response);
}

/* An MHD_AccessHandlerCallback. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_size, void **of_request)
{
	static char begun;

	(void)version;
	(void)upload_data;
	(void)upload_size;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, method_text);
	if (*of_request == NULL) { /* the first call of a request, which must not respond yet */
		*of_request = &begun;
		return MHD_YES;
	}
	if (*upload_size != 0) { /* a body, which means nothing here */
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(arg, connection);
	if (strcmp(url, "/") == 0)
		return send_line(connection, MHD_HTTP_OK, where_text);
	return send_line(connection, MHD_HTTP_NOT_FOUND, missing_text);
}

/* Splits ADDRESS:PORT, where an address of IPv6 is in brackets. Returns false if it is not that. */
static bool split_listen(const char *listen, char address[64], char port[8])
{
	const char *colon = strrchr(listen, ':');
	size_t length = colon != NULL ? (size_t)(colon - listen) : 0;
	bool brackets = length > 1 && listen[0] == '[' && listen[length - 1] == ']';

	if (length == 0 || length >= 64 || colon[1] == '\0' || strlen(colon + 1) > 5 ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0' || atoi(colon + 1) > 65535)
		return false;
	if (!brackets && memchr(listen, ':', length) != NULL)
		return false;
	snprintf(address, 64, "%.*s", (int)length - 2 * brackets, listen + brackets);
	snprintf(port, 8, "%s", colon + 1);
	return true;
}

/* Returns a socket that listens, and its port; or -errno. */
static int listen_at(const struct addrinfo *at, uint16_t *port)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	char service[8];
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, CLIENTS_MOST) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
		rc = -errno;
	else if (getnameinfo((struct sockaddr *)&bound, size, NULL, 0, service, sizeof(service),
	                     NI_NUMERICSERV) != 0)
		rc = -EINVAL;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*port = (uint16_t)atoi(service);
	return fd;
}

/* The same for the text of an address. */
static int open_socket(const char *listen, uint16_t *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		                        .ai_socktype = SOCK_STREAM };
	struct addrinfo *at = NULL;
	char address[64], service[8];
	int fd;

	if (!split_listen(listen, address, service) ||
	    getaddrinfo(address, service, &hints, &at) != 0)
		return -EINVAL;
	fd = listen_at(at, port);
	freeaddrinfo(at);
	return fd;
}

/*
 * The thread gets no signals, as no thread of leat does. It polls: by epoll, libmicrohttpd 0.9.75
 * does not find out that a client has left in the middle of a request until its time is over.
 */
int leat_export_serve(struct leat_export *exporter, const char *listen)
{
	int fd = open_socket(listen, &exporter->port), rc = 0;
	sigset_t all, before;

	if (fd < 0)
		return fd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = 0;
	exporter->server = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, exporter,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MOST,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES, MHD_OPTION_END);
	if (exporter->server == NULL)
		rc = errno != 0 ? -errno : -ENOMEM;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc < 0)
		close(fd);
	return rc;
}

void leat_export_end_serving(struct leat_export *exporter)
{
	if (exporter->server != NULL)
		MHD_stop_daemon(exporter->server);
}

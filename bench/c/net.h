/* What the peers share: an address from the command line, a listening socket,
 * and as many descriptors as the process may have. */
#ifndef NET_H
#define NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 1 << 16 };

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* must returns a system call's result and ends the process if it failed. */
static inline int must(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

/* parse_address reads "127.0.0.1:12345". */
static inline struct sockaddr_in parse_address(const char *text)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char host[INET_ADDRSTRLEN] = "";
	unsigned port = 0;

	if (sscanf(text, "%15[0-9.]:%5u", host, &port) != 2 || port == 0 || port > 65535 ||
	    inet_pton(AF_INET, host, &addr.sin_addr) != 1) {
		fprintf(stderr, "bad address %s: want IPV4:PORT\n", text);
		exit(2);
	}
	addr.sin_port = htons((uint16_t)port);
	return addr;
}

/* raise_descriptor_limit asks for MAX_FD descriptors, or for what is allowed. */
static inline void raise_descriptor_limit(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max < MAX_FD ? limit.rlim_max : MAX_FD;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

static inline void set_nodelay(int fd)
{
	int on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

/* listen_on returns a socket that listens on the only argument of the program. */
static inline int listen_on(int argc, char **argv, int flags)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s IPV4:PORT\n", argv[0]);
		exit(2);
	}
	struct sockaddr_in addr = parse_address(argv[1]);
	int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
	int on = 1;

	raise_descriptor_limit();
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
	must(bind(fd, (struct sockaddr *)&addr, sizeof addr), "bind");
	must(listen(fd, 4096), "listen");
	return fd;
}

#endif

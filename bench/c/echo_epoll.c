/* TCP echo, one epoll loop for all connections, level-triggered. A connection
 * whose peer does not take its answer is not read meanwhile. */
#include "net.h"

#include <signal.h>
#include <sys/epoll.h>

enum { BUFFER = 16384, EVENTS = 512 };

/* What a connection's peer has not taken yet; data is NULL while that is nothing. */
struct pending {
	char *data;
	size_t offset, length;
};

static struct pending pending[MAX_FD];
static int loop;

static void watch(int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	must(epoll_ctl(loop, operation, fd, &event), "epoll_ctl");
}

static void hang_up(int fd)
{
	free(pending[fd].data);
	pending[fd] = (struct pending){0};
	close(fd);
}

/* send_some returns how much of data the socket took, or -1 if it is broken. */
static ssize_t send_some(int fd, const char *data, size_t length)
{
	size_t sent = 0;

	while (sent < length) {
		ssize_t n = write(fd, data + sent, length - sent);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)sent;
}

static void on_readable(int fd)
{
	static char buffer[BUFFER];
	ssize_t n = read(fd, buffer, sizeof buffer);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ssize_t sent = n <= 0 ? -1 : send_some(fd, buffer, (size_t)n);
	if (sent < 0) {
		hang_up(fd);
		return;
	}
	if (sent == n)
		return;
	size_t rest = (size_t)(n - sent);
	char *data = malloc(rest);
	if (data == NULL)
		die("malloc");
	pending[fd] = (struct pending){.data = memcpy(data, buffer + sent, rest), .length = rest};
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void on_writable(int fd)
{
	struct pending *p = &pending[fd];
	ssize_t sent = send_some(fd, p->data + p->offset, p->length - p->offset);

	if (sent < 0) {
		hang_up(fd);
		return;
	}
	p->offset += (size_t)sent;
	if (p->offset < p->length)
		return;
	free(p->data);
	*p = (struct pending){0};
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void on_connection(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	set_nodelay(fd);
	watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc, argv, SOCK_NONBLOCK);
	struct epoll_event events[EVENTS];

	signal(SIGPIPE, SIG_IGN);
	loop = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN);
	for (;;) {
		int count = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == listener)
				on_connection(listener);
			else if (pending[fd].data != NULL)
				on_writable(fd);
			else
				on_readable(fd);
		}
	}
}

/* Closed-loop load on a TCP echo server: each connection sends a message, waits
 * for all of it to come back, compares it, and sends the next.
 *
 *   load_epoll IPV4:PORT CONNECTIONS MESSAGES SIZE
 *
 * MESSAGES is for each connection. It goes by steps, so that whoever started it
 * can look at the server between them: it connects and prints {"connected":N};
 * each line on standard input starts a run, of as many messages as the line says or,
 * if it says nothing, of MESSAGES, which ends with a line such as
 * {"requests":N,"mismatched":N,"elapsed_ns":N,"cpu_ns":N}; end of input ends it. */
#include "net.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>

enum { EVENTS = 512, CHUNK = 65536 };

struct connection {
	int fd;
	long messages_left;
	size_t sent, received; /* of the message under way */
	int differs;
	int stuck; /* the socket would not take all of it */
};

static int loop;
static size_t size;
static char *message;
static long requests, mismatched;
static int connections, unfinished;
static struct connection *table;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	must(clock_gettime(clock, &t), "clock_gettime");
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void watch(int operation, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	must(epoll_ctl(loop, operation, c->fd, &event), "epoll_ctl");
}

/* transmit sends what the socket takes of the message under way. */
static void transmit(struct connection *c)
{
	while (c->sent < size) {
		ssize_t n = write(c->fd, message + c->sent, size - c->sent);

		if (n >= 0) {
			c->sent += (size_t)n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			die("write");
		}
	}
	int stuck = c->sent < size;
	if (stuck != c->stuck)
		watch(EPOLL_CTL_MOD, c, stuck ? EPOLLIN | EPOLLOUT : EPOLLIN);
	c->stuck = stuck;
}

static void begin_message(struct connection *c)
{
	if (c->messages_left == 0) {
		unfinished--;
		return;
	}
	c->messages_left--;
	c->sent = c->received = 0;
	c->differs = 0;
	transmit(c);
}

static void receive(struct connection *c)
{
	static char buffer[CHUNK];
	ssize_t n = read(c->fd, buffer, sizeof buffer);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		die("read");
	if (n == 0 || c->received + (size_t)n > c->sent) {
		fprintf(stderr, n == 0 ? "closed by the server\n" : "more came back than was sent\n");
		exit(1);
	}
	c->differs |= memcmp(buffer, message + c->received, (size_t)n) != 0;
	c->received += (size_t)n;
	if (c->received < size)
		return;
	requests++;
	mismatched += c->differs;
	begin_message(c);
}

/* run has every connection send its messages, and prints what that took. */
static void run(long messages)
{
	struct epoll_event events[EVENTS];
	int64_t began = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	requests = mismatched = 0;
	unfinished = connections;
	for (int i = 0; i < connections; i++) {
		table[i].messages_left = messages;
		begin_message(&table[i]);
	}
	while (unfinished > 0) {
		int count = epoll_wait(loop, events, EVENTS, 10000);

		if (count == 0) {
			fprintf(stderr, "no answer in 10 s on %d connections\n", unfinished);
			exit(1);
		}
		for (int i = 0; i < count; i++) {
			if (events[i].events & EPOLLOUT)
				transmit(events[i].data.ptr);
			if (events[i].events & ~EPOLLOUT)
				receive(events[i].data.ptr);
		}
	}
	printf("{\"requests\":%ld,\"mismatched\":%ld,\"elapsed_ns\":%lld,\"cpu_ns\":%lld}\n", requests, mismatched,
	       (long long)(now_ns(CLOCK_MONOTONIC) - began), (long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
}

static void connect_all(struct sockaddr_in addr)
{
	table = calloc((size_t)connections, sizeof *table);
	if (table == NULL)
		die("calloc");
	for (struct connection *c = table; c < table + connections; c++) {
		c->fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
		must(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), "connect");
		must(fcntl(c->fd, F_SETFL, O_NONBLOCK), "fcntl");
		set_nodelay(c->fd);
		watch(EPOLL_CTL_ADD, c, EPOLLIN);
	}
	printf("{\"connected\":%d}\n", connections);
}

static long positive(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end != '\0' || value <= 0 || value > 1000000000) {
		fprintf(stderr, "bad number %s\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	char line[16];

	if (argc != 5) {
		fprintf(stderr, "usage: %s IPV4:PORT CONNECTIONS MESSAGES SIZE\n", argv[0]);
		return 2;
	}
	connections = (int)positive(argv[2]);
	long messages = positive(argv[3]);
	size = (size_t)positive(argv[4]);
	message = malloc(size);
	if (message == NULL)
		die("malloc");
	for (size_t i = 0; i < size; i++)
		message[i] = (char)(i * 31 + i / 251);
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_descriptor_limit();
	loop = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	connect_all(parse_address(argv[1]));
	while (fgets(line, sizeof line, stdin) != NULL)
		run(line[0] == '\n' ? messages : atol(line));
	return 0;
}

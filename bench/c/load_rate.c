/* Open-loop load on a TCP echo server: messages are due at fixed times, whatever the
 * answers do, and latency is taken from the time at which a message was due.
 *
 *   load_rate IPV4:PORT CONNECTIONS RATE MILLISECONDS SIZE
 *
 * RATE is in messages a second over all connections, which take turns. It connects
 * and prints {"connected":N}; each line on standard input starts a run of that time, or
 * of as many milliseconds as the line says, if those are fewer. It ends with a line such as {"requests":N,"mismatched":N,"late":N,"elapsed_ns":N,"p50_ns":N,
 * "p99_ns":N,"p999_ns":N,"max_ns":N}. Late are messages that it sent itself over 1 ms
 * after they were due. End of input ends it. */
#include "net.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

enum { EVENTS = 512, CHUNK = 65536, SECOND = 1000000000, LATE = 1000000, PATIENCE = 10 };

struct connection {
	int fd;
	long long due, sent, received; /* bytes of this run */
	int stuck;                     /* the socket would not take all that is due */
};

static int loop;
static size_t size;
static char *message;
static int connections;
static struct connection *table;
static long long start, rate, total, answered, mismatched, late; /* total: of this run */
static uint32_t *latencies; /* nanoseconds, at most UINT32_MAX */

static int64_t now_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t), "clock_gettime");
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

/* due_at returns when the message of that number is due. */
static long long due_at(long long number)
{
	return start + (long long)((__int128)number * SECOND / rate);
}

static void watch(int operation, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	must(epoll_ctl(loop, operation, c->fd, &event), "epoll_ctl");
}

/* transmit sends what the socket takes of what is due. */
static void transmit(struct connection *c)
{
	while (c->sent < c->due) {
		size_t offset = (size_t)(c->sent % (long long)size);
		ssize_t n = write(c->fd, message + offset, size - offset);

		if (n >= 0) {
			c->sent += n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			die("write");
		}
	}
	int stuck = c->sent < c->due;
	if (stuck != c->stuck)
		watch(EPOLL_CTL_MOD, c, stuck ? EPOLLIN | EPOLLOUT : EPOLLIN);
	c->stuck = stuck;
}

/* answer records the answer that c has just completed: messages go to the
 * connections in turn, so that its place among c's answers says which it is. */
static void answer(struct connection *c, int64_t now)
{
	long long number = (c->received / (long long)size - 1) * connections + (c - table);
	int64_t took = now - due_at(number);

	latencies[answered++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

static void receive(struct connection *c)
{
	static char buffer[CHUNK];
	ssize_t n = read(c->fd, buffer, sizeof buffer);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		die("read");
	if (n == 0 || c->received + n > c->sent) {
		fprintf(stderr, n == 0 ? "closed by the server\n" : "more came back than was sent\n");
		exit(1);
	}
	int64_t now = now_ns();
	for (ssize_t done = 0; done < n;) {
		size_t offset = (size_t)(c->received % (long long)size);
		size_t part = size - offset < (size_t)(n - done) ? size - offset : (size_t)(n - done);

		mismatched += memcmp(buffer + done, message + offset, part) != 0;
		c->received += (long long)part;
		done += (ssize_t)part;
		if (offset + part == size)
			answer(c, now);
	}
}

/* send_due sends the messages that are due, of which next is the first not sent. */
static long long send_due(long long next)
{
	int64_t now = now_ns();

	for (; next < total && due_at(next) <= now; next++) {
		struct connection *c = &table[next % connections];

		late += now - due_at(next) > LATE;
		c->due += (long long)size;
		transmit(c);
	}
	return next;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void report(void)
{
	qsort(latencies, (size_t)total, sizeof *latencies, by_value);
	printf("{\"requests\":%lld,\"mismatched\":%lld,\"late\":%lld,\"elapsed_ns\":%lld,"
	       "\"p50_ns\":%u,\"p99_ns\":%u,\"p999_ns\":%u,\"max_ns\":%u}\n",
	       answered, mismatched, late, (long long)now_ns() - start, latencies[total / 2], latencies[total * 99 / 100],
	       latencies[total * 999 / 1000], latencies[total - 1]);
}

static void run(long long messages)
{
	struct epoll_event events[EVENTS];
	long long next = 0;

	total = messages;
	answered = mismatched = late = 0;
	for (int i = 0; i < connections; i++)
		table[i].due = table[i].sent = table[i].received = 0;
	start = now_ns();
	while (answered < total) {
		next = send_due(next);
		int64_t rest = next < total ? due_at(next) - now_ns() : (int64_t)PATIENCE * SECOND;
		struct timespec timeout = {0, 0};

		if (rest > 0)
			timeout = (struct timespec){rest / SECOND, rest % SECOND};
		int count = epoll_pwait2(loop, events, EVENTS, &timeout, NULL);
		if (count < 0 && errno != EINTR)
			die("epoll_pwait2");
		if (count == 0 && next == total) {
			fprintf(stderr, "%lld of %lld answers missing after %d s\n", total - answered, total, PATIENCE);
			exit(1);
		}
		for (int i = 0; i < count; i++) {
			if (events[i].events & EPOLLOUT)
				transmit(events[i].data.ptr);
			if (events[i].events & ~EPOLLOUT)
				receive(events[i].data.ptr);
		}
	}
	report();
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
	long long most;

	if (argc != 6) {
		fprintf(stderr, "usage: %s IPV4:PORT CONNECTIONS RATE MILLISECONDS SIZE\n", argv[0]);
		return 2;
	}
	connections = (int)positive(argv[2]);
	rate = positive(argv[3]);
	most = rate * positive(argv[4]) / 1000;
	if (most < 1 || most > 100000000) {
		fprintf(stderr, "%lld messages: not between 1 and 100000000\n", most);
		return 2;
	}
	size = (size_t)positive(argv[5]);
	message = malloc(size);
	latencies = malloc((size_t)most * sizeof *latencies);
	if (message == NULL || latencies == NULL)
		die("malloc");
	for (size_t i = 0; i < size; i++)
		message[i] = (char)(i * 31 + i / 251);
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(prctl(PR_SET_TIMERSLACK, 1), "PR_SET_TIMERSLACK");
	raise_descriptor_limit();
	loop = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	connect_all(parse_address(argv[1]));
	while (fgets(line, sizeof line, stdin) != NULL) {
		long long messages = rate * atol(line) / 1000;

		run(messages > 0 && messages < most ? messages : most);
	}
	return 0;
}

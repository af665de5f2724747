/* The plainest closed-loop load on a TCP echo server: what a reading brings is counted, the
 * next message is written at once, whichever connection it is, and nothing is compared.
 *
 *   load_plain IPV4:PORT CONNECTIONS MESSAGES SIZE
 *
 * It is started, told and answers as load_epoll; MESSAGES is a mean over the connections. */
#include "net.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>

enum { EVENTS = 512, MOST = 65536 };

static char message[MOST];
static int loop, connections;
static ssize_t size;

static void send_one(int fd)
{
	if (write(fd, message, (size_t)size) != size)
		die("write");
}

/* run has so many messages answered, and prints how long it took. */
static void run(long wanted, const int *sockets)
{
	static char buffer[MOST];
	struct epoll_event events[EVENTS];
	struct timespec began, ended;
	long sent = connections, answered = 0;

	must(clock_gettime(CLOCK_MONOTONIC, &began), "clock_gettime");
	for (int i = 0; i < connections; i++)
		send_one(sockets[i]);
	while (answered < wanted) {
		int count = must(epoll_wait(loop, events, EVENTS, 10000), "epoll_wait");

		if (count == 0)
			die("no answer in 10 s");
		for (int i = 0; i < count; i++) {
			if (read(events[i].data.fd, buffer, sizeof buffer) != size)
				die("read: not one whole answer");
			answered++;
			if (sent < wanted) {
				sent++;
				send_one(events[i].data.fd);
			}
		}
	}
	must(clock_gettime(CLOCK_MONOTONIC, &ended), "clock_gettime");
	printf("{\"requests\":%ld,\"mismatched\":0,\"elapsed_ns\":%lld}\n", answered,
	       (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec);
}

int main(int argc, char **argv)
{
	char line[16];

	if (argc != 5 || atoi(argv[2]) < 1 || atol(argv[3]) < 1 || atoi(argv[4]) < 1 || atoi(argv[4]) > MOST) {
		fprintf(stderr, "usage: %s IPV4:PORT CONNECTIONS MESSAGES SIZE\n", argv[0]);
		return 2;
	}
	struct sockaddr_in addr = parse_address(argv[1]);
	connections = atoi(argv[2]);
	size = atoi(argv[4]);
	int *sockets = calloc((size_t)connections, sizeof *sockets);
	if (sockets == NULL)
		die("calloc");
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_descriptor_limit();
	loop = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	for (int i = 0; i < connections; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		event.data.fd = sockets[i] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
		must(connect(sockets[i], (struct sockaddr *)&addr, sizeof addr), "connect");
		must(fcntl(sockets[i], F_SETFL, O_NONBLOCK), "fcntl");
		set_nodelay(sockets[i]);
		must(epoll_ctl(loop, EPOLL_CTL_ADD, sockets[i], &event), "epoll_ctl");
	}
	printf("{\"connected\":%d}\n", connections);
	while (fgets(line, sizeof line, stdin) != NULL)
		run(connections * (line[0] == '\n' ? atol(argv[3]) : atol(line)), sockets);
	return 0;
}

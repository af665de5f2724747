/* TCP echo, a thread for each connection, blocking system calls. */
#include "net.h"

#include <pthread.h>
#include <signal.h>

enum { BUFFER = 16384, STACK = 64 * 1024 };

static int write_all(int fd, const char *data, ssize_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, (size_t)length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		length -= n;
	}
	return 0;
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char buffer[BUFFER];

	for (;;) {
		ssize_t n = read(fd, buffer, sizeof buffer);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || write_all(fd, buffer, n) < 0)
			break;
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc, argv, 0);
	pthread_attr_t detached;

	signal(SIGPIPE, SIG_IGN);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&detached, STACK);
	for (;;) {
		pthread_t thread;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			usleep(1000);
			continue;
		}
		set_nodelay(fd);
		if (pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd) != 0)
			close(fd);
	}
}

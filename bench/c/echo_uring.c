/* TCP echo, one io_uring loop for all connections, by raw system calls: multishot
 * accept and receive into a ring of provided buffers, which are sent as they are
 * and given back. Buffers of one connection are sent one after another. */
#include "net.h"

#include <linux/io_uring.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
	ENTRIES = 4096,
	BUFFERS = 1024, /* a power of two */
	BUFFER = 2048,
	GROUP = 0,
	NONE = -1,
};

enum operation { ACCEPT, RECEIVE, SEND };

struct ring {
	int fd;
	unsigned *sq_head, *sq_tail, *sq_mask, *sq_array;
	unsigned *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	struct io_uring_buf_ring *buffers;
	unsigned tail; /* of the submissions that are prepared */
	unsigned submitted;
};

/* A connection, by its descriptor. Its unsent buffers form a list. */
struct connection {
	int first, last;  /* buffers, or NONE */
	int receiving;    /* a receive is armed */
	int ended;        /* nothing more will come */
	int next_starved; /* in the list of those that found no buffer */
};

static struct ring ring;
static struct connection connections[MAX_FD];
static char memory[BUFFERS][BUFFER];
static int next_buffer[BUFFERS], length[BUFFERS];
static int free_buffers, starved = NONE, listener;

static void *map(int fd, size_t bytes, off_t offset)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void give_back(int buffer)
{
	struct io_uring_buf_ring *r = ring.buffers;
	struct io_uring_buf *b = &r->bufs[r->tail & (BUFFERS - 1)];

	b->addr = (uint64_t)(uintptr_t)memory[buffer];
	b->len = BUFFER;
	b->bid = (uint16_t)buffer;
	__atomic_store_n(&r->tail, (uint16_t)(r->tail + 1), __ATOMIC_RELEASE);
	free_buffers++;
}

static void provide_buffers(void)
{
	size_t bytes = BUFFERS * sizeof(struct io_uring_buf);

	ring.buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (ring.buffers == MAP_FAILED)
		die("mmap");
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)ring.buffers, .ring_entries = BUFFERS, .bgid = GROUP};
	must((int)syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &reg, 1), "IORING_REGISTER_PBUF_RING");
	for (int i = 0; i < BUFFERS; i++)
		give_back(i);
}

static void open_ring(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 8 * ENTRIES,
	};

	ring.fd = must((int)syscall(SYS_io_uring_setup, ENTRIES, &p), "io_uring_setup");
	char *sq = map(ring.fd, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	char *cq = map(ring.fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = map(ring.fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_head = (unsigned *)(sq + p.sq_off.head);
	ring.sq_tail = (unsigned *)(sq + p.sq_off.tail);
	ring.sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (unsigned *)(sq + p.sq_off.array);
	ring.cq_head = (unsigned *)(cq + p.cq_off.head);
	ring.cq_tail = (unsigned *)(cq + p.cq_off.tail);
	ring.cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	for (unsigned i = 0; i < p.sq_entries; i++)
		ring.sq_array[i] = i;
	provide_buffers();
}

/* enter submits what is prepared and waits for that many completions. */
static void enter(unsigned wait)
{
	__atomic_store_n(ring.sq_tail, ring.tail, __ATOMIC_RELEASE);
	int n = (int)syscall(SYS_io_uring_enter, ring.fd, ring.tail - ring.submitted, wait, IORING_ENTER_GETEVENTS, NULL, 0);
	if (n < 0 && errno != EINTR && errno != EBUSY && errno != EAGAIN)
		die("io_uring_enter");
	ring.submitted += n > 0 ? (unsigned)n : 0;
}

/* prepare returns a submission whose completion will say operation and fd. */
static struct io_uring_sqe *prepare(enum operation operation, int opcode, int fd)
{
	while (ring.tail - __atomic_load_n(ring.sq_head, __ATOMIC_ACQUIRE) > *ring.sq_mask)
		enter(0);
	struct io_uring_sqe *sqe = &ring.sqes[ring.tail++ & *ring.sq_mask];
	memset(sqe, 0, sizeof *sqe);
	sqe->opcode = (uint8_t)opcode;
	sqe->fd = fd;
	sqe->user_data = (uint64_t)operation << 32 | (uint32_t)fd;
	return sqe;
}

static void arm_accept(void)
{
	struct io_uring_sqe *sqe = prepare(ACCEPT, IORING_OP_ACCEPT, listener);

	sqe->ioprio = IORING_ACCEPT_MULTISHOT;
	sqe->accept_flags = SOCK_CLOEXEC;
}

static void arm_receive(int fd)
{
	struct io_uring_sqe *sqe = prepare(RECEIVE, IORING_OP_RECV, fd);

	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	connections[fd].receiving = 1;
}

/* send_first sends the first of the connection's buffers, whole. */
static void send_first(int fd)
{
	int buffer = connections[fd].first;
	struct io_uring_sqe *sqe = prepare(SEND, IORING_OP_SEND, fd);

	sqe->addr = (uint64_t)(uintptr_t)memory[buffer];
	sqe->len = (uint32_t)length[buffer];
	sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
}

static void hang_up_when_done(int fd)
{
	struct connection *c = &connections[fd];

	if (c->ended && !c->receiving && c->first == NONE)
		close(fd);
}

static void on_accept(const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_accept();
	if (cqe->res < 0)
		return;
	set_nodelay(cqe->res);
	connections[cqe->res] = (struct connection){.first = NONE, .last = NONE};
	arm_receive(cqe->res);
}

/* append puts a received buffer behind those that wait to be sent. */
static void append(int fd, int buffer, int bytes)
{
	struct connection *c = &connections[fd];

	free_buffers--;
	length[buffer] = bytes;
	next_buffer[buffer] = NONE;
	if (c->first == NONE) {
		c->first = c->last = buffer;
		send_first(fd);
		return;
	}
	next_buffer[c->last] = buffer;
	c->last = buffer;
}

static void on_receive(int fd, const struct io_uring_cqe *cqe)
{
	struct connection *c = &connections[fd];

	if (cqe->res > 0)
		append(fd, (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	c->receiving = 0;
	if (cqe->res == -ENOBUFS) {
		c->next_starved = starved;
		starved = fd;
	} else if (cqe->res > 0) {
		arm_receive(fd);
	} else {
		c->ended = 1;
		hang_up_when_done(fd);
	}
}

static void on_send(int fd, const struct io_uring_cqe *cqe)
{
	struct connection *c = &connections[fd];
	int broken = cqe->res < length[c->first];

	do {
		int buffer = c->first;

		c->first = next_buffer[buffer];
		give_back(buffer);
	} while (broken && c->first != NONE);
	if (broken)
		shutdown(fd, SHUT_RDWR); /* which ends the receive */
	if (c->first != NONE)
		send_first(fd);
	hang_up_when_done(fd);
}

/* feed_starved lets as many connections receive again as there are buffers. */
static void feed_starved(void)
{
	for (int n = free_buffers; n > 0 && starved != NONE; n--) {
		int fd = starved;

		starved = connections[fd].next_starved;
		arm_receive(fd);
	}
}

static void on_completion(const struct io_uring_cqe *cqe)
{
	int fd = (int)(uint32_t)cqe->user_data;

	switch ((enum operation)(cqe->user_data >> 32)) {
	case ACCEPT:
		on_accept(cqe);
		break;
	case RECEIVE:
		on_receive(fd, cqe);
		break;
	case SEND:
		on_send(fd, cqe);
		break;
	}
}

int main(int argc, char **argv)
{
	listener = listen_on(argc, argv, 0);
	open_ring();
	arm_accept();
	for (;;) {
		enter(1);
		unsigned head = *ring.cq_head;
		unsigned tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);

		for (; head != tail; head++)
			on_completion(&ring.cqes[head & *ring.cq_mask]);
		__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
		feed_starved();
	}
}

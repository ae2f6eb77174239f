/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c - messages between the program and a worker process, on a stream socket.
 *
 * A receiver never blocks in recv: it polls with its deadline, beside the worker's pidfd, since a
 * child of a dead worker may hold the socket open. No locks.
 */
#include "harness/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "harness/clock.h"

#define MAGIC UINT32_C(0x666c6672) /* "flfr" */

struct head {
	uint32_t magic, type, size, checksum;
};

static int send_all(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		at += sent;
		size -= (size_t)sent;
	}
	return 0;
}

static uint32_t checksum(const void *data, size_t size)
{
	return (uint32_t)crc32(0, data, (uInt)size);
}

int frame_send(int fd, uint32_t type, const void *data, size_t size)
{
	struct head head = { MAGIC, type, (uint32_t)size, 0 };
	int rc;

	if (size > FRAME_SIZE_MAX)
		return -EMSGSIZE;
	head.checksum = checksum(size ? data : "", size);
	rc = send_all(fd, &head, sizeof(head));
	return rc || !size ? rc : send_all(fd, data, size);
}

/* Waits until something can be read. 0, -ETIMEDOUT, -EPIPE, -EINTR or another -errno. */
static int wait_readable(int fd, int pidfd, uint64_t deadline_ns)
{
	struct pollfd polls[2] = { { .fd = fd, .events = POLLIN },
				   { .fd = pidfd, .events = POLLIN } };
	uint64_t now = clock_source_monotonic_ns();
	int timeout = -1, rc;

	if (deadline_ns) {
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		/* Rounded up; a day is more than any deadline. */
		timeout = (int)((deadline_ns - now) / 1000000 % 86400000) + 1;
	}
	rc = poll(polls, pidfd < 0 ? 1 : 2, timeout);
	if (rc < 0)
		return -errno;
	if (polls[0].revents)
		return 0;
	return rc ? -EPIPE : -ETIMEDOUT;
}

static int receive_all(int fd, int pidfd, uint64_t deadline_ns, void *data, size_t size, bool first)
{
	uint8_t *at = data;

	while (size) {
		int rc = wait_readable(fd, pidfd, deadline_ns);
		ssize_t got;

		if (rc == -EINTR && !first)
			continue;
		if (rc)
			return rc;
		got = recv(fd, at, size, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return !got || errno == ECONNRESET ? -EPIPE : -errno;
		at += got;
		size -= (size_t)got;
		first = false;
	}
	return 0;
}

int frame_receive(int fd, int pidfd, uint64_t deadline_ns, struct frame *frame)
{
	struct head head;
	int rc = receive_all(fd, pidfd, deadline_ns, &head, sizeof(head), true);

	if (rc)
		return rc;
	if (head.magic != MAGIC || head.size > FRAME_SIZE_MAX)
		return -EBADMSG;
	*frame = (struct frame){ .type = head.type,
				 .size = head.size,
				 .data = malloc(head.size + (size_t)1) };
	if (!frame->data)
		return -ENOMEM;
	rc = receive_all(fd, pidfd, deadline_ns, frame->data, head.size, false);
	if (!rc && checksum(frame->data, head.size) != head.checksum)
		rc = -EBADMSG;
	if (rc)
		frame_release(frame);
	return rc;
}

void frame_release(struct frame *frame)
{
	free(frame->data);
	memset(frame, 0, sizeof(*frame));
}

void frame_put(struct frame_writer *w, const void *data, size_t size)
{
	if (w->room - w->size < size) {
		size_t room = (w->size + size) * 2;
		uint8_t *larger = realloc(w->data, room);

		if (!larger)
			abort();
		w->data = larger;
		w->room = room;
	}
	if (size)
		memcpy(w->data + w->size, data, size);
	w->size += size;
}

void frame_put_text(struct frame_writer *w, const char *text)
{
	uint32_t length = text ? (uint32_t)strlen(text) : 0;

	frame_put(w, &length, sizeof(length));
	frame_put(w, text, length);
}

void frame_writer_release(struct frame_writer *w)
{
	free(w->data);
	memset(w, 0, sizeof(*w));
}

void frame_take(struct frame_reader *r, void *data, size_t size)
{
	if (r->bad || r->left < size) {
		r->bad = true;
		memset(data, 0, size);
		return;
	}
	memcpy(data, r->at, size);
	r->at += size;
	r->left -= size;
}

void frame_take_text(struct frame_reader *r, char *text, size_t size)
{
	uint32_t length;

	frame_take(r, &length, sizeof(length));
	if (length >= size)
		r->bad = true;
	if (r->bad)
		length = 0;
	frame_take(r, text, length);
	text[length] = '\0';
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - messages between the program and a worker process, on a stream socket.
 *
 * The other end may run code that writes anywhere, so nothing that comes from it is believed: a
 * frame has a magic number, a type, a length within bounds and a checksum, and a reader takes only
 * what is there. Both ends are one program, hence structs travel as they lie in memory. No locks;
 * a socket belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Larger ones are garbled: the largest result, of 1024 threads in an open loop, has 92 MiB. */
#define FRAME_SIZE_MAX (UINT32_C(128) << 20)

struct frame {
	uint32_t type;
	size_t size;
	uint8_t *data; /* frame_release */
};

/* Writes a whole frame, whatever the socket's buffer takes at once. 0 or -errno (-EPIPE: the other
 * end is gone). */
int frame_send(int fd, uint32_t type, const void *data, size_t size)
	__attribute__((warn_unused_result));

/*
 * Reads one frame, until deadline_ns of CLOCK_MONOTONIC (0: for ever). 0; -ETIMEDOUT; -EPIPE: the
 * other end closed, or pidfd's process (-1: none) ended without sending one; -EBADMSG: garbled;
 * -EINTR: a signal came before any of it, try again; other -errno. Release only after 0.
 */
int frame_receive(int fd, int pidfd, uint64_t deadline_ns, struct frame *frame)
	__attribute__((warn_unused_result));
void frame_release(struct frame *frame);

/* Collects what is to be sent. Zeroed at first; frame_writer_release ends it. */
struct frame_writer {
	uint8_t *data;
	size_t size, room;
};

void frame_put(struct frame_writer *w, const void *data, size_t size);
/* Length and bytes; NULL is as "". */
void frame_put_text(struct frame_writer *w, const char *text);
void frame_writer_release(struct frame_writer *w);

/* Takes a frame apart; after the first take that goes past its end all give zeroes, and bad is
 * true. */
struct frame_reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

void frame_take(struct frame_reader *r, void *data, size_t size);
/* At most size - 1 bytes and a zero; what is longer makes the reader bad. */
void frame_take_text(struct frame_reader *r, char *text, size_t size);

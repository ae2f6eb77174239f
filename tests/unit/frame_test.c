/* SPDX-License-Identifier: Apache-2.0 */
/* frame_test.c - whole messages, and what comes of broken, late and missing ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/clock.h"
#include "harness/frame.h"

static int ends[2];

static int open_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

static uint64_t soon(void)
{
	return clock_source_monotonic_ns() + 20000000;
}

static void test_round_trip(void **state)
{
	struct frame_writer w = { 0 };
	struct frame_reader r;
	struct frame frame;
	uint64_t number = 77;
	char text[8];

	(void)state;
	frame_put(&w, &number, sizeof(number));
	frame_put_text(&w, "words");
	frame_put_text(&w, NULL);
	assert_int_equal(frame_send(ends[0], 5, w.data, w.size), 0);
	assert_int_equal(frame_send(ends[0], 6, NULL, 0), 0);
	assert_int_equal(frame_receive(ends[1], -1, 0, &frame), 0);
	assert_int_equal(frame.type, 5);
	r = (struct frame_reader){ frame.data, frame.size, false };
	number = 0;
	frame_take(&r, &number, sizeof(number));
	assert_int_equal(number, 77);
	frame_take_text(&r, text, sizeof(text));
	assert_string_equal(text, "words");
	frame_take_text(&r, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(r.left, 0);
	assert_false(r.bad);
	/* One more is too many, and all after it. */
	frame_take(&r, &number, 1);
	assert_true(r.bad);
	frame_release(&frame);
	assert_int_equal(frame_receive(ends[1], -1, 0, &frame), 0);
	assert_int_equal(frame.type, 6);
	assert_int_equal(frame.size, 0);
	frame_release(&frame);
	frame_writer_release(&w);
}

/* A text that is longer than its place, or than its frame. */
static void test_texts_are_bounded(void **state)
{
	struct frame_writer w = { 0 };
	struct frame_reader r;
	char text[5] = "xxxx";
	uint32_t length = 1000;

	(void)state;
	frame_put_text(&w, "five5");
	r = (struct frame_reader){ w.data, w.size, false };
	frame_take_text(&r, text, sizeof(text));
	assert_true(r.bad);
	assert_string_equal(text, "");
	frame_writer_release(&w);
	frame_put(&w, &length, sizeof(length));
	r = (struct frame_reader){ w.data, w.size, false };
	frame_take_text(&r, text, sizeof(text));
	assert_true(r.bad);
	frame_writer_release(&w);
}

static void expect(const void *bytes, size_t size, bool then_close, int rc)
{
	struct frame frame = { 0 };

	assert_int_equal(write(ends[0], bytes, size), size);
	if (then_close)
		shutdown(ends[0], SHUT_WR);
	assert_int_equal(frame_receive(ends[1], -1, soon(), &frame), rc);
	assert_null(frame.data);
}

static void test_garbage(void **state)
{
	(void)state;
	expect("this was never a frame of ours", 30, false, -EBADMSG);
}

/* The head says more than any frame holds. */
static void test_too_long(void **state)
{
	uint32_t head[4] = { 0x666c6672, 1, FRAME_SIZE_MAX + 1, 0 };

	(void)state;
	expect(head, sizeof(head), false, -EBADMSG);
}

static void test_wrong_checksum(void **state)
{
	uint32_t head[5] = { 0x666c6672, 1, 4, 12345, 0 };

	(void)state;
	expect(head, sizeof(head), false, -EBADMSG);
}

static void test_cut_off(void **state)
{
	uint32_t head[5] = { 0x666c6672, 1, 400, 12345, 0 };

	(void)state;
	expect(head, sizeof(head), true, -EPIPE);
}

static void test_deadline(void **state)
{
	uint32_t head[2] = { 0x666c6672, 1 };
	struct frame frame;

	(void)state;
	assert_int_equal(frame_receive(ends[1], -1, soon(), &frame), -ETIMEDOUT);
	assert_int_equal(frame_receive(ends[1], -1, 1, &frame), -ETIMEDOUT);
	/* Half a head is no frame either. */
	expect(head, sizeof(head), false, -ETIMEDOUT);
}

static void test_other_end_gone(void **state)
{
	struct frame frame;
	char data[64] = "";

	(void)state;
	close(ends[1]);
	ends[1] = -1;
	assert_int_equal(frame_receive(ends[0], -1, 0, &frame), -EPIPE);
	assert_int_equal(frame_send(ends[0], 1, data, sizeof(data)), -EPIPE);
	assert_int_equal(frame_send(ends[0], 1, data, (size_t)FRAME_SIZE_MAX + 1), -EMSGSIZE);
}

/* The process ended, but somebody else holds its end of the socket. */
static void test_process_gone(void **state)
{
	struct frame frame;
	pid_t child = fork();
	int pidfd;

	(void)state;
	if (!child)
		_exit(0);
	pidfd = pidfd_open(child, 0);
	if (pidfd < 0)
		skip();
	assert_int_equal(frame_receive(ends[0], pidfd, 0, &frame), -EPIPE);
	close(pidfd);
	waitpid(child, NULL, 0);
}

static void *send_large(void *data)
{
	assert_int_equal(frame_send(ends[0], 9, data, 5 << 20), 0);
	return NULL;
}

/* More than a socket holds comes in pieces. */
static void test_large(void **state)
{
	uint8_t *data = malloc(5 << 20);
	struct frame frame;
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < 5 << 20; i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	assert_int_equal(pthread_create(&thread, NULL, send_large, data), 0);
	assert_int_equal(frame_receive(ends[1], -1, 0, &frame), 0);
	pthread_join(thread, NULL);
	assert_int_equal(frame.size, 5 << 20);
	assert_memory_equal(frame.data, data, 5 << 20);
	frame_release(&frame);
	free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_ends, close_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip), TEST(test_texts_are_bounded), TEST(test_garbage),
		TEST(test_too_long),   TEST(test_wrong_checksum),    TEST(test_cut_off),
		TEST(test_deadline),   TEST(test_other_end_gone),    TEST(test_process_gone),
		TEST(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

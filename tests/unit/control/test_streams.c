/* Events and logs: many listeners, slow ones, leaving ones, and the end. */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "talk.h"

#define EVENTS "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
#define EVENTS_SSE \
    "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"

static void publish(talk_scene *scene, const char *name, const char *json)
{
    control_server_publish(scene->daemon.server, name, json, strlen(json));
}

/* A listener first sees what the daemon greets it with, then every event, as
 * chunks of whole lines. */
static void test_events_are_lines_in_chunks(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    publish(&scene, "tick", "{\"nobody\":1}"); /* who would hear it? */
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, EVENTS);
    assert_true(talk_hear(&talk, "{\"event\":\"hello\",\"data\":{\"a\":1}}\n"));
    publish(&scene, "tick", "{\"n\":1}");
    assert_true(talk_hear(
        &talk, "\r\n21\r\n{\"event\":\"hello\",\"data\":{\"a\":1}}\n\r\n"
               "20\r\n{\"event\":\"tick\",\"data\":{\"n\":1}}\n\r\n"));
    assert_non_null(strstr(talk.heard.data, "application/x-ndjson"));
    assert_null(strstr(talk.heard.data, "nobody"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A browser's EventSource gets its own form. */
static void test_events_are_server_sent_when_asked_for(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, EVENTS_SSE);
    assert_true(talk_hear(&talk, "event: hello\ndata: {\"a\":1}\n\n"));
    publish(&scene, "tick", "{}");
    assert_true(talk_hear(&talk, "event: tick\ndata: {}\n\n"));
    assert_non_null(strstr(talk.heard.data, "text/event-stream"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* HTTP/1.0 knows no chunks: the bytes come bare, the end is the end. */
static void test_events_for_http_1_0_are_not_chunked(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/events HTTP/1.0\r\n"
                         "Connection: keep-alive\r\n\r\n");
    assert_true(talk_hear(
        &talk, "Connection: close\r\n\r\n{\"event\":\"hello\",\"data\":"));
    assert_null(strstr(talk.heard.data, "chunked"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A thousand listeners hear every event; when they leave in the middle of
 * it all, nothing is left of them at once, however quiet the stream is. */
static void test_a_thousand_listeners_come_and_go(void **state)
{
    enum { WANTED = 1000 };

    static talker talks[WANTED];
    struct rlimit before, limit;
    talk_scene scene;
    size_t n, at;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    if (limit.rlim_cur < 4 * WANTED)
        limit.rlim_cur =
            limit.rlim_max < 4 * WANTED ? limit.rlim_max : 4 * WANTED;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    n = limit.rlim_cur < 4 * WANTED ? limit.rlim_cur / 4 : WANTED;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    for (at = 0; at < n; at++) {
        talk_connect(&talks[at], &scene.daemon);
        talk_say_text(&talks[at], at % 2 ? EVENTS : EVENTS_SSE);
        fake_daemon_turn(&scene.daemon);
    }
    talk_turn_until(&scene, n);
    for (at = 0; at < n; at++)
        assert_true(talk_hear(&talks[at], "hello"));
    assert_int_equal(control_server_n_listeners(scene.daemon.server), n);
    publish(&scene, "tick", "{\"n\":1}");
    for (at = 0; at < n; at++)
        assert_true(talk_hear(&talks[at], "{\"n\":1}"));

    for (at = 0; at < n; at += 2)
        talk_close(&talks[at]);
    publish(&scene, "tick", "{\"n\":2}"); /* the server does not know yet */
    talk_turn_until(&scene, n / 2);
    assert_int_equal(control_server_n_listeners(scene.daemon.server), n / 2);
    for (at = 1; at < n; at += 2) {
        assert_true(talk_hear(&talks[at], "{\"n\":2}"));
        talk_close(&talks[at]);
    }
    talk_turn_until(&scene, 0);
    assert_int_equal(control_server_n_listeners(scene.daemon.server), 0);
    assert_int_equal(talk_stats(&scene).n_streams, 0);
    assert_int_equal(talk_stats(&scene).n_cut, 0);
    talk_scene_close(&scene);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Who does not read is cut when its queue is full; who does, misses nothing,
 * and the daemon's memory is bounded by the queue. */
static void test_a_slow_listener_is_cut_and_others_are_not(void **state)
{
    enum { EVENT_SIZE = 10000, N_EVENTS = 300 };

    static char event[EVENT_SIZE];
    talk_scene scene;
    talker slow, quick;
    int n;

    memset(event, 'e', sizeof(event));
    memcpy(event, "{\"text\":\"", 9);
    memcpy(event + sizeof(event) - 3, "\"}", 3);
    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&slow, &scene.daemon);
    talk_say_text(&slow, EVENTS);
    talk_connect(&quick, &scene.daemon);
    talk_say_text(&quick, EVENTS);
    assert_true(talk_hear(&quick, "hello"));
    for (n = 0; n < N_EVENTS; n++) {
        publish(&scene, "big", event);
        talk_turn(&quick);
    }
    publish(&scene, "last", "{}");
    assert_true(talk_hear(&quick, "\"last\""));
    assert_true(quick.heard.size > (size_t)N_EVENTS * EVENT_SIZE);
    assert_int_equal(talk_stats(&scene).n_cut, 1);
    assert_int_equal(talk_stats(&scene).n_streams, 1);
    assert_true(talk_hear(&slow, NULL)); /* the end, in the middle of a chunk */
    assert_true(slow.heard.size < 2000000);
    talk_close(&slow);
    talk_close(&quick);
    talk_scene_close(&scene);
}

/* The server closes with streams open, some of them with full queues: the
 * close callback comes, no handle is left (fake_daemon_done looks). */
static void test_the_server_closes_with_streams_open(void **state)
{
    enum { N = 20 };

    static char event[100000];
    talker talks[N];
    talk_scene scene;
    size_t at;

    memset(event, ' ', sizeof(event));
    memcpy(event, "{}", 2);
    event[sizeof(event) - 1] = '\0';
    talk_scene_open(&scene);
    scene.daemon.options.log_dir = "/nonexistent";
    fake_daemon_start(&scene.daemon);
    for (at = 0; at < N; at++) {
        talk_connect(&talks[at], &scene.daemon);
        talk_say_text(&talks[at], at % 2 ? EVENTS
                                         : "GET /v1/logs?follow=1 HTTP/1.1\r\n"
                                           "Host: x\r\n\r\n");
        talk_turn(&talks[at]);
    }
    for (at = 0; at < 5; at++)
        publish(&scene, "big", event);
    talk_scene_close(&scene);
    for (at = 0; at < N; at++)
        talk_close(&talks[at]);
}

/* ---- logs -------------------------------------------------------------- */

static tj_instant fake_now(void *userdata)
{
    return *(tj_instant *)userdata;
}

static void append(const char *dir, const char *date, const char *text)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s.jsonl", dir, date);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void remove_day(const char *dir, const char *date)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s.jsonl", dir, date);
    assert_int_equal(unlink(path), 0);
}

/* `logs -f` over midnight, on a connection that stays: what is there, what
 * comes, and the next day's file, each line once and in order. */
static void test_logs_are_followed_across_midnight(void **state)
{
    tj_instant now = { .wall_ms = 1775087999000 }; /* 2026-04-01T23:59:59Z */
    talk_scene scene;
    talker talk;
    char *first, *second, *third;

    talk_scene_open(&scene);
    scene.daemon.options.log_dir = scene.dir;
    scene.daemon.options.clock = (tj_clock){ fake_now, &now };
    scene.daemon.options.follow_period_ms = 1;
    append(scene.dir, "2026-04-01", "{\"n\":0}\n{\"n\":1}\n");
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs?tail=1&follow=1 HTTP/1.1\r\n"
                         "Host: x\r\n\r\n");
    assert_true(talk_hear(&talk, "{\"n\":1}\n"));
    append(scene.dir, "2026-04-01", "{\"n\":2}\n{\"n\"");
    assert_true(talk_hear(&talk, "{\"n\":2}\n"));
    append(scene.dir, "2026-04-01", ":3}\n");
    assert_true(talk_hear(&talk, "{\"n\":3}\n"));
    now.wall_ms += 1000;
    append(scene.dir, "2026-04-02", "{\"n\":4}\n");
    assert_true(talk_hear(&talk, "{\"n\":4}\n"));
    first = strstr(talk.heard.data, "{\"n\":2}\n");
    second = strstr(first, "{\"n\":3}\n");
    third = strstr(second, "{\"n\":4}\n");
    assert_non_null(third);
    assert_null(strstr(talk.heard.data, "{\"n\":0}"));
    assert_null(strstr(first + 1, "{\"n\":2}"));
    talk_close(&talk);
    talk_turn_until(&scene, 0);
    remove_day(scene.dir, "2026-04-01");
    remove_day(scene.dir, "2026-04-02");
    talk_scene_close(&scene);
}

/* A client that takes its time with a big log gets every byte of it, and the
 * server never holds more than a little of it. */
static void test_a_big_log_is_read_as_fast_as_the_client(void **state)
{
    enum { N_LINES = 40000 };

    tj_instant now = { .wall_ms = 1775030400000 };
    tj_buf text = TJ_BUF_INIT;
    talk_scene scene;
    talker talk, other;
    char last[32];
    int n;

    talk_scene_open(&scene);
    scene.daemon.options.log_dir = scene.dir;
    scene.daemon.options.clock = (tj_clock){ fake_now, &now };
    for (n = 0; n < N_LINES; n++)
        tj__buf_printf(&text, "{\"n\":%d,\"text\":\"%0100d\"}\n", n, n);
    append(scene.dir, "2026-04-01", text.data);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_connect(&other, &scene.daemon);
    for (n = 0; n < 100; n++) /* turns without reading: the log must wait */
        fake_daemon_turn(&scene.daemon);
    assert_int_equal(talk_stats(&scene).n_streams, 1);
    talk_say_text(&other, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(talk_hear(&other, "{\"status\":\"ok\"}\n"));
    snprintf(last, sizeof(last), "{\"n\":%d,", N_LINES - 1);
    assert_true(talk_hear(&talk, last));
    assert_true(talk.heard.size >= text.size);
    assert_true(talk_hear(&talk, "\r\n0\r\n\r\n"));
    /* What was asked behind it is answered behind it. */
    assert_true(talk_hear(&talk, "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert_true(talk_hear(&talk, "{\"status\":\"ok\"}\n"));
    assert_int_equal(talk_stats(&scene).n_streams, 0);
    talk_close(&talk);
    talk_close(&other);
    tj__buf_done(&text);
    remove_day(scene.dir, "2026-04-01");
    talk_scene_close(&scene);
}

/* Server-sent events are asked for with the same words as for events. */
static void test_logs_as_server_sent_events(void **state)
{
    tj_instant now = { .wall_ms = 1775030400000 };
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    scene.daemon.options.log_dir = scene.dir;
    scene.daemon.options.clock = (tj_clock){ fake_now, &now };
    append(scene.dir, "2026-04-01", "{\"n\":1}\n{\"n\":2}\n");
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs HTTP/1.1\r\nHost: x\r\n"
                         "Accept: text/event-stream\r\n\r\n");
    assert_true(talk_hear(&talk, "data: {\"n\":1}\n\ndata: {\"n\":2}\n\n"));
    talk_close(&talk);
    remove_day(scene.dir, "2026-04-01");
    talk_scene_close(&scene);
}

/* A connection that streamed a log to its end can be used again. */
static void test_a_connection_lives_on_after_a_log(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    scene.daemon.options.log_dir = scene.dir;
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(talk_hear(&talk, "\r\n\r\n0\r\n\r\n"));
    talk_say_text(&talk, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(talk_hear(&talk, "{\"status\":\"ok\"}\n"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* `printf ... | nc -N`: a log is read to its end by a client that can say no
 * more; one that follows is let go once the client is gone for good. */
static void test_a_half_closed_client_gets_its_log(void **state)
{
    tj_instant now = { .wall_ms = 1775030400000 };
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    scene.daemon.options.log_dir = scene.dir;
    scene.daemon.options.clock = (tj_clock){ fake_now, &now };
    scene.daemon.options.follow_period_ms = 1;
    append(scene.dir, "2026-04-01", "{\"n\":1}\n");
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_finish(&talk);
    assert_true(talk_hear(&talk, NULL));
    assert_non_null(strstr(talk.heard.data, "{\"n\":1}\n\r\n0\r\n\r\n"));
    talk_close(&talk);

    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /v1/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_finish(&talk);
    assert_true(talk_hear(&talk, "{\"n\":1}"));
    append(scene.dir, "2026-04-01", "{\"n\":2}\n");
    assert_true(talk_hear(&talk, "{\"n\":2}"));
    talk_close(&talk);
    while (talk_stats(&scene).n_connections)
        uv_run(&scene.daemon.loop, UV_RUN_ONCE);
    remove_day(scene.dir, "2026-04-01");
    talk_scene_close(&scene);
}

/* Nobody may fill the server's memory by talking on while a stream runs. */
static void test_a_client_that_talks_through_a_stream_is_cut(void **state)
{
    static char noise[200000];
    talk_scene scene;
    talker talk;

    memset(noise, 'n', sizeof(noise));
    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, EVENTS);
    assert_true(talk_hear(&talk, "hello"));
    talk_say(&talk, noise, sizeof(noise));
    assert_true(talk_hear(&talk, NULL));
    assert_int_equal(talk_stats(&scene).n_connections, 0);
    talk_close(&talk);
    talk_scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_are_lines_in_chunks),
        cmocka_unit_test(test_events_are_server_sent_when_asked_for),
        cmocka_unit_test(test_events_for_http_1_0_are_not_chunked),
        cmocka_unit_test(test_a_thousand_listeners_come_and_go),
        cmocka_unit_test(test_a_slow_listener_is_cut_and_others_are_not),
        cmocka_unit_test(test_the_server_closes_with_streams_open),
        cmocka_unit_test(test_logs_are_followed_across_midnight),
        cmocka_unit_test(test_a_big_log_is_read_as_fast_as_the_client),
        cmocka_unit_test(test_logs_as_server_sent_events),
        cmocka_unit_test(test_a_connection_lives_on_after_a_log),
        cmocka_unit_test(test_a_half_closed_client_gets_its_log),
        cmocka_unit_test(test_a_client_that_talks_through_a_stream_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

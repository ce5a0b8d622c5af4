/* How the server behaves over time: pipelines, deadlines, leaving clients,
 * limits on clients, rights, and its own end. */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/internal.h"
#include "support/heap.h"
#include "talk.h"

#define GET_LIVEZ "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
#define TICK_SLOW "POST /v1/jobs/slow/tick HTTP/1.1\r\nHost: x\r\n\r\n"
#define LIVEZ_OK  "{\"status\":\"ok\"}\n"

/* ---- requests ---------------------------------------------------------- */

/* Answers come in the order of the requests, also when the first one takes
 * its time: a client that pipelines would mix them up otherwise. */
static void test_pipelined_requests_are_answered_in_order(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, GET_LIVEZ TICK_SLOW GET_LIVEZ "GET / HTTP/1.1\r\n"
                                                       "Host: x\r\n\r\n");
    assert_true(talk_hear(&talk, LIVEZ_OK));
    talk_turn(&talk);
    talk_expect(&talk, "200");
    assert_non_null(scene.daemon.pending);
    fake_daemon_answer(&scene.daemon);
    assert_true(talk_hear(&talk, "not_found"));
    talk_expect(&talk, "200 200 200 404");
    assert_int_equal(scene.daemon.n_operations, 3);
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A long run of small requests in one write neither recurses nor starves
 * anybody: all are answered. */
static void test_many_pipelined_requests_are_all_answered(void **state)
{
    enum { N = 5000 };

    talk_scene scene;
    talker talk;
    int at;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    for (at = 0; at < N; at++)
        talk_say_text(&talk, GET_LIVEZ);
    talk_finish(&talk);
    assert_true(talk_hear(&talk, NULL));
    assert_int_equal(scene.daemon.n_operations, N);
    assert_int_equal(talk.heard.size % N, 0);
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* HEAD is GET without the body, with its length. */
static void test_head_has_the_length_and_no_body(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n" GET_LIVEZ);
    assert_true(talk_hear(&talk, LIVEZ_OK));
    assert_non_null(strstr(talk.heard.data, "Content-Length: 16\r\n\r\nHTTP/"));
    talk_close(&talk);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk,
                  "HEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n" GET_LIVEZ);
    assert_true(talk_hear(&talk, LIVEZ_OK));
    assert_int_equal(talk_stats(&scene).n_streams, 0);
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A client that waits for 100 before it sends its body gets it, and only
 * after the head was found good. */
static void test_expect_continue_is_answered_before_the_body(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "POST /v1/pause HTTP/1.1\r\nHost: x\r\n"
                         "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    assert_true(talk_hear(&talk, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(scene.daemon.n_operations, 0);
    talk_say_text(&talk, "{\"why\":\"x\"}");
    assert_true(talk_hear(&talk, "\"pause\":"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* What reaches an operation is normalised: the daemon never parses. */
static void test_arguments_arrive_checked_and_normalised(void **state)
{
    static const struct {
        const char *request;
        const char *args;
    } rows[] = {
        { "POST /v1/jobs/a%20b/tick HTTP/1.1\r\nHost: x\r\n\r\n",
          "{\"job\":\"a b\",\"wait\":true}" },
        { "POST /v1/jobs/x/tick?wait=false HTTP/1.1\r\nHost: x\r\n\r\n",
          "{\"job\":\"x\",\"wait\":false}" },
        { "POST /v1/pause?why=a%20b+c%2b&who=me HTTP/1.1\r\nHost: x\r\n\r\n",
          "{\"why\":\"a b c+\",\"who\":\"me\"}" },
        { "POST /v1/pause?until=2999-01-01T00:00:00Z&who=me HTTP/1.1\r\n"
          "Host: x\r\n\r\n",
          "{\"until_ms\":32472144000000,\"who\":\"me\"}" },
        { "POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"
          "{\"until\":32472144000000,\"who\":\"me\"      }",
          "{\"until_ms\":32472144000000,\"who\":\"me\"}" },
    };

    talk_scene scene;
    size_t at;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        talker talk;

        talk_connect(&talk, &scene.daemon);
        talk_say_text(&talk, rows[at].request);
        talk_finish(&talk);
        assert_true(talk_hear(&talk, NULL));
        assert_string_equal(scene.daemon.last_args, rows[at].args);
        talk_close(&talk);
    }
    talk_scene_close(&scene);
}

/* ---- clients that leave ------------------------------------------------ */

/* The client is gone while its tick runs: the call stays valid, and its
 * answer goes nowhere. */
static void test_answer_to_a_client_that_left_is_discarded(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, TICK_SLOW);
    talk_turn(&talk);
    assert_non_null(scene.daemon.pending);
    assert_false(control_call_is_abandoned(scene.daemon.pending));
    talk_close(&talk);
    talk_turn_until(&scene, 0);
    assert_true(control_call_is_abandoned(scene.daemon.pending));
    assert_string_equal(
        tj_json_string_or(
            tj_json_get(control_call_args(scene.daemon.pending), "job"), ""),
        "slow");
    fake_daemon_answer(&scene.daemon);
    talk_scene_close(&scene);
}

/* Somebody who only says that nothing more will come (`nc -N`, socat) still
 * waits for the answer. */
static void test_a_half_closed_client_gets_its_answer(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, TICK_SLOW);
    talk_finish(&talk);
    talk_turn(&talk);
    assert_int_equal(talk_stats(&scene).n_connections, 1);
    fake_daemon_answer(&scene.daemon);
    assert_true(talk_hear(&talk, NULL));
    talk_expect(&talk, "200");
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* The daemon may end while a call is open: no answer is owed any more, but
 * giving one must be harmless. */
static void test_calls_may_be_answered_after_the_server_closed(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, TICK_SLOW);
    talk_turn(&talk);
    assert_non_null(scene.daemon.pending);
    talk_scene_close(&scene); /* answers after the close callback */
    talk_close(&talk);
}

/* ---- deadlines --------------------------------------------------------- */

/* The deadline counts from the request's start: a drip of bytes does not
 * move it (slowloris). */
static void test_a_dripping_request_is_answered_408(void **state)
{
    talk_scene scene;
    talker talk;
    int drops;

    talk_scene_open(&scene);
    scene.daemon.options.request_time_ms = 50;
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /livez HTTP/1.1\r\nX: ");
    /* Turns that wait for nothing else than the deadline, a byte each time:
     * 16 KiB of header would be the end of it, but later than that. */
    for (drops = 0; drops < 16000 && !talk.heard.size; drops++) {
        talk_say_text(&talk, "y");
        uv_run(&scene.daemon.loop, UV_RUN_NOWAIT);
        talk_turn(&talk);
        poll(NULL, 0, 1);
    }
    assert_true(talk_hear(&talk, "\"code\":\"too_slow\""));
    talk_expect(&talk, "408");
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* Half a head, and half a body, end with 408 as well. */
static void test_half_a_request_is_answered_408(void **state)
{
    static const char *const halves[] = {
        "GET",
        "GET /livez HTTP/1.1\r\nHost: x\r\n",
        "POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        ("POST /v1/pause HTTP/1.1\r\nHost: x\r\n"
         "Transfer-Encoding: chunked\r\n\r\n2\r\n{"),
    };
    talk_scene scene;
    size_t at;

    talk_scene_open(&scene);
    scene.daemon.options.request_time_ms = 20;
    fake_daemon_start(&scene.daemon);
    for (at = 0; at < 4; at++) {
        talker talk;

        talk_connect(&talk, &scene.daemon);
        talk_say_text(&talk, halves[at]);
        assert_true(talk_hear(&talk, "\"code\":\"too_slow\""));
        talk_expect(&talk, "408");
        talk_close(&talk);
    }
    assert_int_equal(scene.daemon.n_operations, 0);
    talk_scene_close(&scene);
}

/* A connection without a request is closed without a word, before its first
 * request and after it. */
static void test_an_idle_connection_is_closed(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    scene.daemon.options.idle_time_ms = 20;
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    assert_true(talk_hear(&talk, NULL));
    assert_int_equal(talk.heard.size, 0);
    talk_close(&talk);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, GET_LIVEZ);
    assert_true(talk_hear(&talk, NULL));
    talk_expect(&talk, "200");
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A call may take longer than any deadline of the connection. */
static void test_a_pending_call_has_no_deadline(void **state)
{
    talk_scene scene;
    talker talk;
    int64_t until;

    talk_scene_open(&scene);
    scene.daemon.options.idle_time_ms = 10;
    scene.daemon.options.request_time_ms = 10;
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, TICK_SLOW);
    until = (int64_t)uv_hrtime() + 60000000;
    while ((int64_t)uv_hrtime() < until)
        talk_turn(&talk);
    assert_false(talk.is_over);
    fake_daemon_answer(&scene.daemon);
    assert_true(talk_hear(&talk, "scheduled"));
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* A big answer reaches its reader whole, far beyond the socket's buffer. */
static void test_a_big_answer_arrives_whole(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(talk_hear(&talk, "m\n"));
    talk_expect(&talk, "200");
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* An answer that nobody reads is given up, and the memory is free again. */
static void test_an_answer_that_nobody_reads_is_given_up(void **state)
{
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    scene.daemon.options.idle_time_ms = 30;
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" GET_LIVEZ);
    while (!talk_stats(&scene).n_requests)
        fake_daemon_turn(&scene.daemon);
    while (talk_stats(&scene).n_connections)
        uv_run(&scene.daemon.loop, UV_RUN_ONCE);
    assert_true(talk_hear(&talk, NULL));
    talk_expect(&talk, "200<");
    assert_int_equal(scene.daemon.n_operations, 1);
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* ---- limits on clients ------------------------------------------------- */

/* One client too many hears 503 at once, and the others are not touched. */
static void test_one_client_too_many_is_answered_503(void **state)
{
    talker talks[4];
    talk_scene scene;
    size_t at;

    talk_scene_open(&scene);
    scene.daemon.options.connections_max = 3;
    fake_daemon_start(&scene.daemon);
    for (at = 0; at < 4; at++) {
        talk_connect(&talks[at], &scene.daemon);
        talk_turn(&talks[at]);
    }
    assert_true(talk_hear(&talks[3], NULL));
    talk_expect(&talks[3], "503");
    assert_int_equal(talk_stats(&scene).n_refused, 1);
    for (at = 0; at < 3; at++) {
        talk_say_text(&talks[at], GET_LIVEZ);
        assert_true(talk_hear(&talks[at], LIVEZ_OK));
    }
    for (at = 0; at < 4; at++)
        talk_close(&talks[at]);
    talk_turn_until(&scene, 0);
    talk_scene_close(&scene);
}

/* Without a single descriptor left, a new client is told so instead of
 * hanging in the queue; when there are some again, all is as before. */
static void test_without_descriptors_clients_are_answered_503(void **state)
{
    struct rlimit before, small;
    int taken[64];
    size_t n_taken = 0;
    talk_scene scene;
    talker talk;

    talk_scene_open(&scene);
    fake_daemon_start(&scene.daemon);
    talk_connect(&talk, &scene.daemon);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)talk.fd + 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    while (n_taken < 64 && (taken[n_taken] = dup(talk.fd)) >= 0)
        n_taken++;
    assert_true(n_taken < 64);

    assert_true(talk_hear(&talk, "too_many_connections"));
    while (n_taken)
        close(taken[--n_taken]);
    talk_close(&talk);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

    talk_connect(&talk, &scene.daemon);
    talk_say_text(&talk, GET_LIVEZ);
    assert_true(talk_hear(&talk, LIVEZ_OK));
    assert_int_equal(talk_stats(&scene).n_refused, 1);
    talk_close(&talk);
    talk_scene_close(&scene);
}

/* ---- rights ------------------------------------------------------------ */

static void child_ask(const char *path, const char *request, int answer_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[4096];
    ssize_t size;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, path, strlen(path));
    if (setgid(65534) || setuid(65534) ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
        write(fd, request, strlen(request)) < 0)
        _exit(1);
    while ((size = read(fd, text, sizeof(text))) > 0) {
        if (write(answer_fd, text, (size_t)size) != size)
            _exit(1);
    }
    _exit(0);
}

/* Run the loop until a child with another user id has its answer. */
static void
ask_as_nobody(talk_scene *scene, const char *request, char answer[2048])
{
    int pipe_fds[2], status = 0;
    size_t used = 0;
    ssize_t size;
    pid_t child;

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_ask(scene->daemon.options.socket_path, request, pipe_fds[1]);
    close(pipe_fds[1]);
    assert_int_equal(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
    while ((size = read(pipe_fds[0], answer + used, 2047 - used)) != 0) {
        if (size > 0)
            used += (size_t)size;
        else
            fake_daemon_turn(&scene->daemon);
    }
    answer[used] = '\0';
    close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Whom the socket's mode lets in may look; only root and the daemon's own
 * user may change anything. */
static void test_another_user_may_look_but_not_operate(void **state)
{
    char answer[2048];
    talk_scene scene;

    if (geteuid() != 0) {
        print_message("not root: nobody else to be\n");
        return;
    }
    talk_scene_open(&scene);
    assert_int_equal(chmod(scene.dir, 0755), 0);
    scene.daemon.options.socket_mode = 0666;
    fake_daemon_start(&scene.daemon);
    ask_as_nobody(&scene, "GET /v1/jobs HTTP/1.0\r\n\r\n", answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    ask_as_nobody(&scene, "POST /v1/stop HTTP/1.0\r\n\r\n", answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403 Forbidden"));
    assert_non_null(strstr(answer, "\"code\":\"forbidden\""));
    assert_false(scene.daemon.is_stopping);
    assert_int_equal(scene.daemon.last_peer.uid, 65534);
    talk_scene_close(&scene);
}

/* The peer's name comes from the file, never from a name service, and a line
 * that is too long cannot pretend to be another's. */
static void test_peer_name_is_read_from_passwd(void **state)
{
    static const struct {
        uid_t uid;
        const char *name;
    } rows[] = {
        { 0, "root" },
        { 1000, "alice" },
        { 1001, "uid 1001" },
        { 1002, "uid 1002" },
        { 1003, "uid 1003" },
        { 1004, "uid 1004" },
        { (uid_t)-1, "unknown" },
    };

    char path[] = "/tmp/tj-passwd-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    control_peer peer;
    size_t at;

    assert_non_null(file);
    fputs("root:x:0:0:root:/root:/bin/sh\n", file);
    fputs("bob:x:1002x:0::/:\n:x:1003:0::/:\n", file);
    fputs("long", file);
    for (at = 0; at < 507; at++)
        fputc('g', file);
    fputs("x:x:1001:0::/:\n", file);
    fputs("a-name-of-more-than-thirty-nine-characters:x:1004:0::/:\n", file);
    fputs("alice:x:1000:1000:Alice:/home/alice:/bin/sh\n", file);
    fclose(file);
    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        memset(&peer, 0, sizeof(peer));
        peer.uid = rows[at].uid;
        control_peer_name(&peer, path);
        assert_string_equal(peer.name, rows[at].name);
    }
    unlink(path);
    peer.uid = 1000;
    control_peer_name(&peer, path);
    assert_string_equal(peer.name, "uid 1000");
}

/* ---- without memory ---------------------------------------------------- */

static void little_life(talk_scene *scene)
{
    tj_error error = TJ_ERROR_INIT;
    talker talk;

    if (control_server_new(&scene->daemon.options, &scene->daemon.server,
                           &error)) {
        assert_int_equal(error.code, TJ_ENOMEM);
        scene->daemon.server = NULL;
        return;
    }
    talk_connect(&talk, &scene->daemon);
    talk_say_text(&talk,
                  GET_LIVEZ "POST /v1/pause HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: 11\r\n\r\n{\"why\":\"x\"}"
                            "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                            "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
    talk_turn(&talk);
    control_server_publish(scene->daemon.server, "tick", "{}", 2);
    talk_turn(&talk);
    close(talk.fd); /* its buffer is the test's own and may have failed */
    tj__buf_done(&talk.heard);
}

/* Whichever allocation fails: no crash, no leak, and the server lives on. */
static void test_no_allocation_that_fails_harms_the_server(void **state)
{
    long fails = 0;
    bool has_failed = true;

    while (has_failed) {
        talk_scene scene;
        talker talk;

        talk_scene_open(&scene);
        heap_install();
        heap_fail_once_after(fails++);
        little_life(&scene);
        has_failed = heap_failed();
        heap_fail_never();
        if (scene.daemon.server) {
            talk_connect(&talk, &scene.daemon);
            talk_say_text(&talk, GET_LIVEZ);
            assert_true(talk_hear(&talk, LIVEZ_OK));
            talk_close(&talk);
        }
        fake_daemon_done(&scene.daemon);
        if (heap_live())
            fail_msg("%ld left after %ld", heap_live(), fails - 1);
        heap_remove();
        talk_unplace(scene.dir);
    }
    assert_true(fails > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_many_pipelined_requests_are_all_answered),
        cmocka_unit_test(test_head_has_the_length_and_no_body),
        cmocka_unit_test(test_expect_continue_is_answered_before_the_body),
        cmocka_unit_test(test_arguments_arrive_checked_and_normalised),
        cmocka_unit_test(test_answer_to_a_client_that_left_is_discarded),
        cmocka_unit_test(test_a_half_closed_client_gets_its_answer),
        cmocka_unit_test(test_calls_may_be_answered_after_the_server_closed),
        cmocka_unit_test(test_a_dripping_request_is_answered_408),
        cmocka_unit_test(test_half_a_request_is_answered_408),
        cmocka_unit_test(test_an_idle_connection_is_closed),
        cmocka_unit_test(test_a_pending_call_has_no_deadline),
        cmocka_unit_test(test_a_big_answer_arrives_whole),
        cmocka_unit_test(test_an_answer_that_nobody_reads_is_given_up),
        cmocka_unit_test(test_one_client_too_many_is_answered_503),
        cmocka_unit_test(test_without_descriptors_clients_are_answered_503),
        cmocka_unit_test(test_another_user_may_look_but_not_operate),
        cmocka_unit_test(test_peer_name_is_read_from_passwd),
        cmocka_unit_test(test_no_allocation_that_fails_harms_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

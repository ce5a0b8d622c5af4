/* The socket file: made safely, never stolen, taken away by its owner. */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "control/listener.h"
#include "talk.h"

static char dir[64];
static char path[96];

static int setup(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/tj-listener-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/socket", dir);
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    return rmdir(dir);
}

/* Whatever the umask is: user and group, nobody else. */
static void test_the_socket_has_its_mode_whatever_the_umask(void **state)
{
    static const mode_t masks[] = { 0, 022, 077, 0777 };
    control_listener listener;
    struct stat info;
    size_t at;

    for (at = 0; at < 4; at++) {
        mode_t before = umask(masks[at]);
        int code = control_listener_init(&listener, path, 0660, NULL);

        umask(before);
        assert_int_equal(code, 0);
        assert_int_equal(stat(path, &info), 0);
        assert_true(S_ISSOCK(info.st_mode));
        assert_int_equal(info.st_mode & 07777, 0660);
        control_listener_done(&listener);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* What a killed daemon left behind is replaced. */
static void test_a_stale_socket_is_replaced(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    control_listener listener;

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(control_listener_init(&listener, path, 0660, NULL), 0);
    control_listener_done(&listener);
}

/* A daemon that lives keeps its socket, and the message tells which one. */
static void test_a_live_socket_is_not_stolen(void **state)
{
    control_listener first, second;
    tj_error error = TJ_ERROR_INIT;
    char process[32];

    assert_int_equal(control_listener_init(&first, path, 0660, NULL), 0);
    assert_int_equal(control_listener_init(&second, path, 0660, &error),
                     TJ_EBUSY);
    snprintf(process, sizeof(process), "process %d ", (int)getpid());
    assert_non_null(strstr(error.message, process));
    assert_non_null(strstr(error.message, path));
    assert_int_equal(access(path, F_OK), 0);
    control_listener_done(&first);
}

/* A file, a link or a directory of that name is somebody's: left alone. */
static void test_what_is_no_socket_is_left_alone(void **state)
{
    control_listener listener;
    tj_error error = TJ_ERROR_INIT;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(control_listener_init(&listener, path, 0660, &error),
                     TJ_EEXIST);
    assert_non_null(strstr(error.message, "is no socket"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(control_listener_init(&listener, path, 0660, &error),
                     TJ_EEXIST);
    assert_int_equal(access(path, F_OK), 0);
}

/* The kernel's limit for paths is short and its message says nothing. */
static void test_a_path_that_is_too_long_is_explained(void **state)
{
    control_listener listener;
    tj_error error = TJ_ERROR_INIT;
    control_client *client;
    char text[200];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(control_listener_init(&listener, text, 0660, &error),
                     TJ_EINVAL);
    assert_non_null(strstr(error.message, "199 bytes"));
    assert_non_null(strstr(error.message, "1 to 107"));
    assert_int_equal(control_listener_init(&listener, "", 0660, &error),
                     TJ_EINVAL);
    assert_int_equal(control_client_new(text, 1000, &client, &error),
                     TJ_EINVAL);
    snprintf(text, sizeof(text), "%s/none/socket", dir);
    assert_int_equal(control_listener_init(&listener, text, 0660, &error),
                     TJ_ENOENT);
}

/* Somebody else's socket that took the place is not removed at the end. */
static void test_only_the_own_socket_is_removed(void **state)
{
    control_listener first, second;

    assert_int_equal(control_listener_init(&first, path, 0660, NULL), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(control_listener_init(&second, path, 0660, NULL), 0);
    control_listener_done(&first);
    assert_int_equal(access(path, F_OK), 0);
    control_listener_done(&second);
    assert_int_equal(access(path, F_OK), -1);
}

/* What the client says when there is nobody, in the words of the cause. */
static void test_the_client_tells_why_nobody_answers(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tj_error error = TJ_ERROR_INIT;
    control_client *client = NULL;

    assert_int_equal(control_client_new(path, 1000, &client, &error),
                     TJ_EUNREACHABLE);
    assert_non_null(strstr(error.message, "there is no socket"));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(control_client_new(path, 1000, &client, &error),
                     TJ_EUNREACHABLE);
    assert_non_null(strstr(error.message, "nobody listens"));
    close(fd);
    assert_null(client);
}

/* A listener that never answers costs the client its own deadline, and what
 * is not HTTP is told from silence. */
static void test_the_client_keeps_its_deadline(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tj_error error = TJ_ERROR_INIT;
    control_client *client = NULL;
    control_answer answer;
    int peer;

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(control_client_new(path, 1000, &client, NULL), 0);
    assert_int_equal(control_client_server_pid(client), getpid());
    assert_int_equal(
        control_client_call(client, "GET", "/livez", NULL, 10, &answer, &error),
        TJ_ETIMEDOUT);
    peer = accept(fd, NULL, NULL);
    assert_int_equal(write(peer, "SSH-2.0-x\r\n", 11), 11);
    assert_int_equal(control_client_call(client, "GET", "/livez", NULL, 1000,
                                         &answer, &error),
                     TJ_EPROTOCOL);
    control_client_free(client);
    close(peer);

    assert_int_equal(control_client_new(path, 1000, &client, NULL), 0);
    peer = accept(fd, NULL, NULL);
    assert_int_equal(
        write(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", 39), 39);
    close(peer);
    assert_int_equal(control_client_call(client, "GET", "/livez", NULL, 1000,
                                         &answer, &error),
                     TJ_EUNREACHABLE);
    assert_non_null(strstr(error.message, "before the answer was whole"));
    control_client_free(client);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_socket_has_its_mode_whatever_the_umask),
        TEST(test_a_stale_socket_is_replaced),
        TEST(test_a_live_socket_is_not_stolen),
        TEST(test_what_is_no_socket_is_left_alone),
        TEST(test_a_path_that_is_too_long_is_explained),
        TEST(test_only_the_own_socket_is_removed),
        TEST(test_the_client_tells_why_nobody_answers),
        TEST(test_the_client_keeps_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Real files: the one that is named, what lies beside it, and where the paths
 * in it lead. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_support.h"

#define HELLO "jobs: {hello: {every: 10s, command: [date]}}\n"

/* A directory of each test's own, removed after it. */
static char g_dir[64]; /* NOLINT: cmocka's state is one pointer */

static int setup(void **state)
{
    snprintf(g_dir, sizeof(g_dir), "/tmp/timed-jobs-test-XXXXXX");
    return mkdtemp(g_dir) && chdir(g_dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    pid_t child;
    int status;

    if (chdir("/"))
        return -1;
    child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", g_dir, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

static void write_bytes(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static struct loaded load_name(const char *name)
{
    struct config_options options = test_options(name);

    return load_path(&options);
}

/* The first thing that anybody gets wrong. */
static void test_missing_file_is_said(void **state)
{
    struct loaded loaded = load_name("nowhere/x.yaml");

    assert_int_equal(loaded.code, TJ_EINVAL);
    assert_string_equal(
        loaded.text.data,
        "nowhere/x.yaml: error: cannot be opened: No such file or directory\n"
        "       = hint: check the path; timed-jobs.conf(5) says what goes into "
        "the file\n");
    loaded_done(&loaded);
}

/* What is no file has no lines to point at. */
static void test_what_is_no_text_file_is_refused(void **state)
{
    struct loaded loaded = load_name("/");

    assert_string_equal(loaded.text.data,
                        "/: error: this is a directory\n"
                        "       = hint: name a file with YAML text in it\n");
    loaded_done(&loaded);

    loaded = load_name("/proc/self/mem");
    assert_string_equal(loaded.text.data,
                        "/proc/self/mem: error: cannot be read: Input/output "
                        "error\n");
    loaded_done(&loaded);

    loaded = load_name("/dev/zero");
    assert_string_equal(loaded.text.data,
                        "/dev/zero: error: the file is bigger than 4 MB\n"
                        "       = hint: spread the jobs over files in "
                        "conf.d\n");
    loaded_done(&loaded);
}

/* The cap is exact: as big as allowed is read, one byte more is not. */
static void test_size_cap_is_exact(void **state)
{
    char *text = malloc(CONFIG_FILE_SIZE_MAX + 1);
    struct loaded loaded;

    assert_non_null(text);
    memset(text, '#', CONFIG_FILE_SIZE_MAX + 1);
    memcpy(text, HELLO, strlen(HELLO));
    write_bytes("x.yaml", text, CONFIG_FILE_SIZE_MAX);
    loaded = load_name("x.yaml");
    assert_string_equal(loaded.text.data, "");
    loaded_done(&loaded);

    write_bytes("x.yaml", text, CONFIG_FILE_SIZE_MAX + 1);
    loaded = load_name("x.yaml");
    assert_non_null(strstr(loaded.text.data, "bigger than 4 MB"));
    loaded_done(&loaded);
    free(text);
}

/* `timed-jobs check <(generate)` gives us a pipe whose writer is slow. */
static void test_pipe_is_read_to_its_end(void **state)
{
    struct loaded loaded;
    pid_t child;
    int fds[2], status, at;
    char path[32];

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        for (at = 0; at < 1000; at++)
            (void)sched_yield(); /* let the reader come to wait for us */
        _exit(write(fds[1], HELLO, strlen(HELLO)) == (ssize_t)strlen(HELLO)
                  ? 0
                  : 1);
    }
    close(fds[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    loaded = load_name(path);
    assert_string_equal(loaded.text.data, "");
    assert_int_equal(loaded.config->n_jobs, 1);
    loaded_done(&loaded);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Who can write the file can run commands as us. */
static void test_file_that_all_may_write_is_a_warning(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", HELLO);
    assert_int_equal(chmod("x.yaml", 0666), 0);
    loaded = load_name("x.yaml");
    assert_int_equal(loaded.code, 0);
    assert_string_equal(
        loaded.text.data,
        "x.yaml: warning: everybody on this machine may write this file\n"
        "       = hint: chmod o-w, or anybody can have commands run here\n");
    loaded_done(&loaded);
}

/* ---- conf.d ------------------------------------------------------------- */

/* Packages and people drop files there; their order is that of their names. */
static void test_directory_adds_jobs_in_order_of_names(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", HELLO);
    assert_int_equal(mkdir("conf.d", 0755), 0);
    write_file("conf.d/20.yaml", "jobs: {c: {every: 1s, command: c}}\n");
    write_file("conf.d/10.yaml", "jobs: {b: {every: 1s, command: b}}\n");
    write_file("conf.d/.hidden.yaml", "nonsense");
    write_file("conf.d/README", "nonsense");
    write_file("conf.d/30.yaml", "# all of it commented out\n");
    loaded = load_name("x.yaml");
    assert_string_equal(loaded.text.data, "");
    assert_int_equal(loaded.config->n_jobs, 3);
    assert_string_equal(loaded.config->jobs[0].name, "hello");
    assert_string_equal(loaded.config->jobs[1].name, "b");
    assert_string_equal(loaded.config->jobs[2].name, "c");
    assert_string_equal(loaded.config->directory, g_dir);
    loaded_done(&loaded);
}

/* The main file may have none of its own then. */
static void test_directory_may_have_all_the_jobs(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", "lease: memory\n");
    assert_int_equal(mkdir("conf.d", 0755), 0);
    write_file("conf.d/a.yaml",
               "jobs: {b: {every: 1s, command: b, directory: sub}}\n");
    loaded = load_name("x.yaml");
    assert_string_equal(loaded.text.data, "");
    assert_int_equal(loaded.config->n_jobs, 1);
    assert_int_equal(strncmp(loaded.config->jobs[0].runners[0].directory, g_dir,
                             strlen(g_dir)),
                     0);
    assert_string_equal(
        loaded.config->jobs[0].runners[0].directory + strlen(g_dir), "/sub");
    loaded_done(&loaded);
}

/* Every mistake in every file, each with the name of its file. */
static void test_mistakes_in_all_files_are_told_at_once(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", HELLO "hots: x\n");
    assert_int_equal(mkdir("conf.d", 0755), 0);
    assert_int_equal(mkdir("conf.d/dir.yaml", 0755), 0);
    assert_int_equal(mkfifo("conf.d/pipe.yaml", 0644), 0);
    write_file("conf.d/a.yaml", "jobs: {hello: {every: 1s, command: b}}\n");
    write_file("conf.d/b.yaml", "lease: memory\nlogg: x\n");
    write_file("conf.d/c.yaml", "jobs:\n\t- x\n");
    write_file("conf.d/d.yaml", "- x\n");
    write_file("conf.d/e.yml", "jobs: {}\n");
    write_bytes("conf.d/f.yaml", "\0\0\0\0", 4);
    loaded = load_name("./x.yaml");
    assert_int_equal(loaded.code, TJ_EINVAL);
    assert_string_equal(
        loaded.text.data,
        "./x.yaml:2:1: error: unknown key 'hots'; did you mean 'host'?\n"
        "     2 | hots: x\n"
        "       | ^~~~\n"
        "./conf.d/a.yaml:1:8: error: job 'hello' given twice (first in "
        "./x.yaml:1)\n"
        "     1 | jobs: {hello: {every: 1s, command: b}}\n"
        "       |        ^~~~~\n"
        "       = hint: a job stands in one file only\n"
        "./conf.d/b.yaml:1:1: error: lease: belongs into the main file\n"
        "     1 | lease: memory\n"
        "       | ^~~~~\n"
        "       = hint: files in conf.d hold 'jobs' and nothing else\n"
        "./conf.d/b.yaml:2:1: error: unknown key 'logg'; did you mean 'log'?\n"
        "     2 | logg: x\n"
        "       | ^~~~\n"
        "./conf.d/c.yaml:2:1: error: a tab is used for indentation\n"
        "     2 |         - x\n"
        "       | ^~~~~~~~\n"
        "       = hint: indent with spaces\n"
        "./conf.d/d.yaml:1:1: error: expected a map of keys, found a list\n"
        "     1 | - x\n"
        "       | ^\n"
        "       = hint: write 'key: value' pairs, without '- ' or brackets\n"
        "./conf.d/dir.yaml: error: this is a directory\n"
        "       = hint: name a file with YAML text in it\n"
        "./conf.d/e.yml: warning: not read: its name does not end in .yaml\n"
        "       = hint: rename it to .yaml\n"
        "./conf.d/f.yaml:1:1: error: this is a binary file, not text\n"
        "       = hint: name a file with YAML text in it\n"
        "./conf.d/pipe.yaml: error: this is not a regular file\n"
        "       = hint: name a file with YAML text in it\n");
    loaded_done(&loaded);
}

/* A file of that name is nobody's business. */
static void test_conf_d_that_is_a_file_is_left_alone(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", HELLO);
    write_file("conf.d", "nonsense");
    loaded = load_name("x.yaml");
    assert_string_equal(loaded.text.data, "");
    loaded_done(&loaded);
}

/* ---- paths -------------------------------------------------------------- */

static void
assert_below(const char *path, const char *directory, const char *rest)
{
    assert_int_equal(strncmp(path, directory, strlen(directory)), 0);
    assert_string_equal(path + strlen(directory), rest);
}

/* What one writes beside the file belongs to it; what the daemon writes lies
 * below the state. */
static void test_paths_are_below_file_and_state(void **state)
{
    struct loaded loaded;

    write_file("x.yaml", "state: ./var\n"
                         "lease: sqlite:l.db\n"
                         "log: logs\n"
                         "control: {socket: /run/x.sock}\n"
                         "jobs: {a: {every: 1s, command: x, directory: .}}\n");
    loaded = load_name("x.yaml");
    assert_string_equal(loaded.text.data, "");
    assert_below(loaded.config->state, g_dir, "/var");
    assert_below(loaded.config->lease.backend.path, g_dir, "/var/l.db");
    assert_below(loaded.config->log.dir, g_dir, "/var/logs");
    assert_string_equal(loaded.config->control.socket, "/run/x.sock");
    assert_below(loaded.config->jobs[0].runners[0].directory, g_dir, "");
    loaded_done(&loaded);
}

/* A second copy on one machine is told by its command line where to live. */
static void test_command_line_wins_over_the_file(void **state)
{
    struct config_options options = test_options("x.yaml");
    struct loaded loaded;

    write_file("x.yaml", "state: var\ncontrol: {socket: a.sock}\n" HELLO);
    options.state = "other";
    options.socket = "b.sock";
    loaded = load_path(&options);
    assert_string_equal(loaded.text.data, "");
    assert_below(loaded.config->state, g_dir, "/other");
    assert_below(loaded.config->log.dir, g_dir, "/other/log");
    assert_below(loaded.config->control.socket, g_dir, "/b.sock");
    loaded_done(&loaded);
}

/* People who are not root keep their state at home, where XDG says. */
static void test_state_of_a_person_is_at_home(void **state)
{
    struct config_options options = test_options("x.yaml");
    struct loaded loaded;

    write_file("x.yaml", HELLO);
    options.is_root = false;
    options.home = "/people/me";
    options.xdg_state_home = "not/absolute";
    loaded = load_path(&options);
    assert_string_equal(loaded.config->state,
                        "/people/me/.local/state/timed-jobs");
    loaded_done(&loaded);

    options.xdg_state_home = "/x/";
    loaded = load_path(&options);
    assert_string_equal(loaded.config->state, "/x/timed-jobs");
    loaded_done(&loaded);

    options.home = NULL;
    options.xdg_state_home = NULL;
    loaded = load_path(&options);
    assert_int_equal(loaded.code, TJ_EINVAL);
    assert_string_equal(
        loaded.text.data,
        "x.yaml: error: no directory for the state is known\n"
        "       = hint: add state: DIRECTORY to the file, or set HOME\n");
    loaded_done(&loaded);
}

/* The defaults come from the process. */
static void test_options_start_from_the_process(void **state)
{
    struct config_options options;

    config_options_init(&options, "x.yaml");
    assert_string_equal(options.path, "x.yaml");
    assert_int_equal(options.is_root, geteuid() == 0);
    assert_null(options.state);
    assert_null(options.socket);
    write_file("x.yaml", "state: /tmp\n" HELLO);
    options.host = NULL;
    {
        struct loaded loaded = load_path(&options);

        assert_int_equal(loaded.code, 0);
        assert_true(strlen(loaded.config->host) > 0);
        loaded_done(&loaded);
    }
}

/* What a newcomer starts with must load without a word. */
static void test_quickstart_loads(void **state)
{
    struct loaded loaded = load_name(QUICKSTART);

    assert_string_equal(loaded.text.data, "");
    assert_true(loaded.config->n_jobs >= 3);
    loaded_done(&loaded);
}

/* A fleet's worth of jobs must not make a start or a reload slow: quadratic
 * look-ups would take minutes here. */
static void test_many_jobs_load(void **state)
{
    enum { MANY = 40000 };

    tj_buf text = TJ_BUF_INIT;
    struct loaded loaded;
    char last[16];
    int at;

    tj__buf_append_text(&text, "jobs:\n");
    for (at = 0; at < MANY; at++)
        tj__buf_printf(&text, "  job-%d: {every: 10s, shell: 'echo %d'}\n", at,
                       at);
    loaded = load_text(text.data, text.size);
    assert_string_equal(loaded.text.data, "");
    assert_int_equal(loaded.config->n_jobs, MANY);
    snprintf(last, sizeof(last), "job-%d", MANY - 1);
    assert_string_equal(loaded.config->jobs[MANY - 1].name, last);
    loaded_done(&loaded);
    tj__buf_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_missing_file_is_said),
        TEST(test_what_is_no_text_file_is_refused),
        TEST(test_size_cap_is_exact),
        TEST(test_pipe_is_read_to_its_end),
        TEST(test_file_that_all_may_write_is_a_warning),
        TEST(test_directory_adds_jobs_in_order_of_names),
        TEST(test_directory_may_have_all_the_jobs),
        TEST(test_mistakes_in_all_files_are_told_at_once),
        TEST(test_conf_d_that_is_a_file_is_left_alone),
        TEST(test_paths_are_below_file_and_state),
        TEST(test_command_line_wins_over_the_file),
        TEST(test_state_of_a_person_is_at_home),
        TEST(test_options_start_from_the_process),
        TEST(test_quickstart_loads),
        TEST(test_many_jobs_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

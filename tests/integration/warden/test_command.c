/* Commands as runners of an engine: what they are told, and what the log says
 * of them. */
#include "rig.h"

#include "runners/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <timedjobs/engine.h>
#include <timedjobs/loop.h>

#define TERM 7

struct scene {
    struct rig rig;
    tj_loop *loop;
    tj_command_host host;
    tj_engine *engine;
    tj_log_sink sink;
    char *log; /* all lines */
    size_t log_size;
    bool ticked;
    bool engine_closed;
    bool loop_closed;
    tj_json *entry; /* the run's last one */
};

/* ---- a log in memory, a gate that is open ------------------------------- */

static struct scene *g_scene;

static void sink_append(tj_log_sink *sink,
                        int64_t wall_ms,
                        const char *lines,
                        size_t size,
                        size_t n_lines)
{
    (void)sink;
    (void)wall_ms;
    (void)n_lines;
    g_scene->log = realloc(g_scene->log, g_scene->log_size + size + 1);
    assert_non_null(g_scene->log);
    memcpy(g_scene->log + g_scene->log_size, lines, size);
    g_scene->log_size += size;
    g_scene->log[g_scene->log_size] = '\0';
}

static void sink_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    (void)sink;
    cb(userdata);
}

static tj_gate_verdict
gate_ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    (void)request;
    (void)userdata;
    ret_pass->controller_id = "controller";
    ret_pass->host = "host";
    ret_pass->term = TERM;
    return TJ_GATE_OPEN;
}

static void on_tick(const tj_tick_result *result, void *userdata)
{
    struct scene *scene = userdata;

    (void)result;
    scene->ticked = true;
}

static void on_flag(void *userdata)
{
    bool *flag = userdata;

    *flag = true;
}

/* ---- one command, one tick ---------------------------------------------- */

static void scene_open(struct scene *scene)
{
    static const tj_log_sink_ops ops = { sizeof(ops), sink_append, sink_flush };

    memset(scene, 0, sizeof(*scene));
    g_scene = scene;
    scene->sink.ops = &ops;
    rig_open(&scene->rig, 1, TJ_WARDEN_HANG_KEEP, false);
    tj__deadline_extend(tj__warden_cells_get(scene->rig.cells, 0), TERM,
                        boottime_ns() + INT64_C(3600000000000),
                        boottime_ns() + INT64_C(7200000000000));
    assert_int_equal(tj_loop_new_uv(&scene->rig.loop, &scene->loop, NULL), 0);
    scene->host.uv = &scene->rig.loop;
    scene->host.warden = scene->rig.warden;
    scene->host.cells = scene->rig.cells;
}

static tj_command_options shell_options(const char *text)
{
    tj_command_options options;

    tj__command_options_init(&options);
    options.name = "it";
    options.shell = text;
    options.cell = 0;
    options.grace_ms = 100;
    return options;
}

static void engine_open(struct scene *scene, const tj_command_options *options)
{
    tj_engine_options engine;
    tj_runner runner;
    tj_error error = TJ_ERROR_INIT;

    tj_engine_options_init(&engine);
    engine.job = "job";
    engine.manual = true;
    engine.loop = scene->loop;
    engine.gate.size = sizeof(engine.gate);
    engine.gate.ask = gate_ask;
    engine.log = &scene->sink;
    assert_int_equal(tj_engine_new(&engine, &scene->engine, &error), 0);
    assert_int_equal(
        tj__command_runner_new(options, &scene->host, &runner, &error), 0);
    assert_int_equal(tj_engine_add_runner(scene->engine, &runner, &error), 0);
    scene->engine_closed = false;
    scene->ticked = false;
    scene->log_size = 0;
}

static void engine_close(struct scene *scene)
{
    tj_engine_close(scene->engine, on_flag, &scene->engine_closed);
    rig_wait(&scene->rig, &scene->engine_closed);
}

/* Find the last entry of a stage. */
static void entry_find(struct scene *scene, const char *stage)
{
    char *line = scene->log;

    tj_json_free(scene->entry);
    scene->entry = NULL;
    while (line && *line) {
        char *end = strchr(line, '\n');
        tj_json *json = NULL;

        assert_non_null(end);
        assert_int_equal(tj_json_parse(line, (size_t)(end - line), &json, NULL),
                         0);
        if (strcmp(tj_json_string_or(tj_json_get(json, "stage"), ""), stage) ==
            0) {
            tj_json_free(scene->entry);
            scene->entry = json;
        } else {
            tj_json_free(json);
        }
        line = end + 1;
    }
    if (!scene->entry)
        fail_msg("no %s in %s", stage, scene->log);
}

static const char *text_of(const struct scene *scene, const char *key)
{
    return tj_json_string_or(tj_json_get(scene->entry, key), "(none)");
}

static int64_t int_of(const struct scene *scene, const char *key)
{
    return tj_json_int_or(tj_json_get(scene->entry, key), -1);
}

static void
tick_with(struct scene *scene, const tj_command_options *options, bool ok)
{
    engine_open(scene, options);
    assert_int_equal(tj_engine_tick(scene->engine, on_tick, scene), 0);
    rig_wait(&scene->rig, &scene->ticked);
    engine_close(scene);
    entry_find(scene, ok ? "runner_completed" : "runner_failed");
}

static void tick_shell(struct scene *scene, const char *text, bool ok)
{
    tj_command_options options = shell_options(text);

    tick_with(scene, &options, ok);
}

static void scene_close(struct scene *scene)
{
    tj_json_free(scene->entry);
    free(scene->log);
    tj_loop_close(scene->loop, on_flag, &scene->loop_closed);
    rig_wait(&scene->rig, &scene->loop_closed);
    rig_close(&scene->rig);
}

/* ---- outcomes ----------------------------------------------------------- */

static void test_exit_status_decides(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene, "exit 0", true);
    assert_string_equal(text_of(&scene, "result"), "ok");
    assert_int_equal(int_of(&scene, "exit_status"), 0);
    assert_int_equal(strlen(text_of(&scene, "run_id")), 32);
    tick_shell(&scene, "echo out; echo err >&2; exit 3", false);
    assert_string_equal(text_of(&scene, "error"), "exit status 3");
    assert_int_equal(int_of(&scene, "exit_status"), 3);
    assert_string_equal(text_of(&scene, "stdout"), "out\n");
    assert_string_equal(text_of(&scene, "stderr"), "err\n");
    tick_shell(&scene, "kill -9 $$", false);
    assert_string_equal(text_of(&scene, "error"),
                        "killed by signal 9 (SIGKILL)");
    assert_string_equal(text_of(&scene, "signal"), "SIGKILL");
    scene_close(&scene);
}

static void test_timeout_is_said(void **state)
{
    struct scene scene;
    tj_command_options options =
        shell_options("trap '' TERM; echo half; printf a-line; "
                      "while :; do sleep 1; done");

    (void)state;
    options.timeout_ms = 300;
    scene_open(&scene);
    tick_with(&scene, &options, false);
    assert_string_equal(text_of(&scene, "error"), "timed out after 300 ms");
    assert_string_equal(text_of(&scene, "cause"), "timed_out");
    assert_string_equal(text_of(&scene, "stdout"), "half\na-line");
    scene_close(&scene);
}

static void test_start_failures_are_said(void **state)
{
    const char *const missing[] = { "/no/such/binary", NULL };
    struct scene scene;
    tj_command_options options = shell_options(NULL);

    (void)state;
    scene_open(&scene);
    options.argv = missing;
    tick_with(&scene, &options, false);
    assert_string_equal(text_of(&scene, "error"),
                        "failed at exec: No such file or directory");
    options = shell_options("true");
    options.directory = "/nowhere";
    tick_with(&scene, &options, false);
    assert_string_equal(text_of(&scene, "error"),
                        "failed at chdir: No such file or directory");
    tj__deadline_clear(tj__warden_cells_get(scene.rig.cells, 0));
    tick_shell(&scene, "true", false);
    assert_string_equal(text_of(&scene, "error"),
                        "not started: its lease is not held any more");
    scene.host.warden = NULL;
    tick_shell(&scene, "true", false);
    assert_string_equal(text_of(&scene, "error"),
                        "not started: there is no warden to start it");
    scene_close(&scene);
}

static bool refuse(int cell, tj_error *reterr, void *userdata)
{
    (void)cell;
    (void)userdata;
    snprintf(reterr->message, sizeof(reterr->message), "we are leaving");
    return false;
}

/* The daemon has the last word before a start. */
static void test_refused_start_is_said(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    scene.host.may_start = refuse;
    tick_shell(&scene, "true", false);
    assert_string_equal(text_of(&scene, "error"),
                        "not started: we are leaving");
    scene_close(&scene);
}

/* Out of descriptors is the run's trouble, not the daemon's; the next tick is
 * as usual. */
static void test_start_without_descriptors_is_said(void **state)
{
    struct scene scene;
    struct rlimit few;
    struct rlimit before;

    (void)state;
    scene_open(&scene);
    rig_wait(&scene.rig, &scene.rig.ready);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 4;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    tick_shell(&scene, "true", false);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_string_equal(text_of(&scene, "error"),
                        "not started: cannot make standard input: Too many "
                        "open files");
    tick_shell(&scene, "true", true);
    scene_close(&scene);
}

static void test_lost_warden_fails_the_run(void **state)
{
    struct scene scene;
    tj_command_options options = shell_options("echo $$ >$UP; exec sleep 999");
    char up[160];
    const char *const env[] = { up, NULL };

    (void)state;
    scene_open(&scene);
    snprintf(up, sizeof(up), "UP=%s/up", scene.rig.dir);
    options.env = env;
    engine_open(&scene, &options);
    assert_int_equal(tj_engine_tick(scene.engine, on_tick, &scene), 0);
    rig_wait_lines(&scene.rig, "up", 1);
    kill(tj__warden_pid(scene.rig.warden), SIGKILL);
    rig_wait(&scene.rig, &scene.ticked);
    engine_close(&scene);
    entry_find(&scene, "runner_failed");
    assert_string_equal(text_of(&scene, "error"),
                        "killed: the warden was lost");
    rig_wait_dead(&scene.rig, "up");
    scene_close(&scene);
}

/* ---- what it is told, and what it tells --------------------------------- */

static void test_context_arrives_twice(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene,
               "read -r line; echo \"$line\"; "
               "echo $TIMED_JOBS_JOB $TIMED_JOBS_RUNNER $TIMED_JOBS_TERM "
               "$TIMED_JOBS_TRIGGER $TIMED_JOBS_CONTROLLER_ID; "
               "test \"$TIMED_JOBS_DEADLINE_MS\" -gt $(date +%s)000",
               true);
    {
        const char *out = text_of(&scene, "stdout");
        const char *end = strchr(out, '\n');
        tj_json *json = NULL;

        assert_non_null(end);
        assert_int_equal(tj_json_parse(out, (size_t)(end - out), &json, NULL),
                         0);
        assert_int_equal(tj_json_int_or(tj_json_get(json, "term"), 0), TERM);
        assert_string_equal(tj_json_string_or(tj_json_get(json, "job"), ""),
                            "job");
        assert_string_equal(tj_json_string_or(tj_json_get(json, "run_id"), ""),
                            text_of(&scene, "run_id"));
        tj_json_free(json);
        assert_string_equal(end, "\njob it 7 manual controller\n");
    }
    scene_close(&scene);
}

/* Nobody has to read what is offered. */
static void test_unread_input_holds_nobody(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene, "exec <&-; exit 0", true);
    scene_close(&scene);
}

static void test_result_lines_become_entries(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene,
               "exec >&$TIMED_JOBS_RESULT_FD; "
               "echo '{\"stage\":\"half\",\"details\":{\"rows\":5}}'; "
               "echo 'no json'; "
               "echo '{\"result\":\"done\",\"details\":{\"rows\":9}}'",
               true);
    assert_string_equal(text_of(&scene, "result"), "done");
    assert_int_equal(int_of(&scene, "rows"), 9);
    assert_int_equal(int_of(&scene, "exit_status"), 0);
    entry_find(&scene, "half");
    assert_int_equal(int_of(&scene, "rows"), 5);
    assert_string_equal(text_of(&scene, "runner"), "it");
    entry_find(&scene, "malformed_line");
    assert_string_equal(text_of(&scene, "text"), "no json");
    scene_close(&scene);
}

/* The word of a command that failed is added, not believed. */
static void test_result_of_a_failed_command_stays_a_failure(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene, "echo '{\"result\":\"disk full\"}' >&3; exit 1", false);
    assert_string_equal(text_of(&scene, "error"), "exit status 1: disk full");
    scene_close(&scene);
}

/* ---- floods, junk, and who holds a pipe --------------------------------- */

static void test_flood_keeps_its_end_only(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene, "head -c 200000000 /dev/zero; echo the end", true);
    assert_int_equal(int_of(&scene, "stdout_size"), 200000008);
    {
        const char *out = text_of(&scene, "stdout");
        size_t size = strlen(out);

        assert_string_equal(out + size - 8, "the end\n");
        assert_true(size <= 2 * 2048);
    }
    scene_close(&scene);
}

static void test_junk_is_still_a_whole_line(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene,
               "printf 'a\\000b\\377\\r\\n{\"forged\":1}\\n'; "
               "head -c 5000 /dev/urandom >&2; head -c 5000 /dev/urandom >&3",
               true);
    assert_string_equal(text_of(&scene, "stdout"),
                        "a\xc0\x80"
                        "b\xef\xbf\xbd\r\n{\"forged\":1}\n");
    scene_close(&scene);
}

/* The end of a run is its process's, not its pipes': who leaves with them
 * open is swept, who closes them early is waited for. */
static void test_pipes_do_not_decide_the_end(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    tick_shell(&scene, "sleep 1000 & echo gone", true);
    assert_string_equal(text_of(&scene, "stdout"), "gone\n");
    assert_int_equal(int_of(&scene, "leftovers"), 1);
    tick_shell(&scene, "setsid sleep 1000 & sleep 0.1", true);
    assert_int_equal(int_of(&scene, "leftovers"), 1);
    tick_shell(&scene, "exec >&- 2>&- 3>&-; sleep 0.1; exit 4", false);
    assert_string_equal(text_of(&scene, "error"), "exit status 4");
    scene_close(&scene);
}

/* ---- files -------------------------------------------------------------- */

static size_t file_read(struct scene *scene, char *text, size_t size)
{
    char name[64];

    snprintf(name, sizeof(name), "%s.log", text_of(scene, "run_id"));
    /* It is written in the background, and done when the loop is idle. */
    while (uv_run(&scene->rig.loop, UV_RUN_NOWAIT) &&
           strlen(rig_read(&scene->rig, name, text, size)) < 4)
        rig_turn(&scene->rig);
    for (int i = 0; i < 20; i++)
        rig_turn(&scene->rig);
    return strlen(rig_read(&scene->rig, name, text, size));
}

static void test_output_file_has_it_all(void **state)
{
    struct scene scene;
    tj_command_options options = shell_options("echo one; echo two");
    char text[256];

    (void)state;
    scene_open(&scene);
    options.output_dir = scene.rig.dir;
    tick_with(&scene, &options, true);
    file_read(&scene, text, sizeof(text));
    assert_string_equal(text, "one\ntwo\n");
    scene_close(&scene);
}

/* Head and tail, and how much is missing between them. */
static void test_output_file_marks_its_cut(void **state)
{
    static char text[65536];
    struct scene scene;
    tj_command_options options =
        shell_options("echo begin; head -c 10000000 /dev/zero | tr '\\0' x; "
                      "echo end");
    size_t size;

    (void)state;
    scene_open(&scene);
    options.output_dir = scene.rig.dir;
    options.output_max = 4000;
    tick_with(&scene, &options, true);
    size = file_read(&scene, text, sizeof(text));
    assert_true(size > 4000 && size < 4100);
    assert_memory_equal(text, "begin\nxxx", 9);
    assert_string_equal(text + size - 5, "xend\n");
    assert_non_null(strstr(text, "\n[... 9996010 bytes left out ...]\n"));
    scene_close(&scene);
}

/* A disk that refuses costs the file, not the run. */
static void test_output_file_that_cannot_be_made_is_said(void **state)
{
    struct scene scene;
    tj_command_options options = shell_options("echo one; sleep 0.2; echo two");

    (void)state;
    scene_open(&scene);
    options.output_dir = "/nowhere/at/all";
    tick_with(&scene, &options, true);
    assert_string_equal(text_of(&scene, "stdout"), "one\ntwo\n");
    assert_string_equal(text_of(&scene, "output_error"),
                        "cannot make the output file: No such file or "
                        "directory");
    scene_close(&scene);
}

/* ---- the engine ends ---------------------------------------------------- */

/* A stop that has waited long enough cancels, and the tree is gone. */
static void test_cancelled_run_is_ended(void **state)
{
    struct scene scene;
    tj_command_options options =
        shell_options("trap '' TERM; echo $$ >$UP; while :; do sleep 1; done");
    char up[160];
    const char *const env[] = { up, NULL };
    tj_runner runner;
    tj_engine_options engine;
    bool stopped = false;

    (void)state;
    scene_open(&scene);
    snprintf(up, sizeof(up), "UP=%s/up", scene.rig.dir);
    options.env = env;
    tj_engine_options_init(&engine);
    engine.manual = true;
    engine.loop = scene.loop;
    engine.gate.size = sizeof(engine.gate);
    engine.gate.ask = gate_ask;
    engine.log = &scene.sink;
    engine.drain_timeout_ms = 50;
    assert_int_equal(tj_engine_new(&engine, &scene.engine, NULL), 0);
    assert_int_equal(
        tj__command_runner_new(&options, &scene.host, &runner, NULL), 0);
    assert_int_equal(tj_engine_add_runner(scene.engine, &runner, NULL), 0);
    assert_int_equal(tj_engine_tick(scene.engine, on_tick, &scene), 0);
    rig_wait_lines(&scene.rig, "up", 1);
    assert_int_equal(tj_engine_stop(scene.engine, on_flag, &stopped), 0);
    rig_wait(&scene.rig, &stopped);
    engine_close(&scene); /* the runner is freed, its command lives still */
    while (tj__warden_n_runs(scene.rig.warden) > 0)
        rig_turn(&scene.rig);
    rig_wait_dead(&scene.rig, "up");
    scene_close(&scene);
}

static void test_impossible_options_are_refused(void **state)
{
    const char *const nothing[] = { NULL };
    const char *const bad_env[] = { "NOVALUE", NULL };
    tj_command_host host = { 0 };
    tj_runner runner;
    tj_command_options options;
    tj_error error = TJ_ERROR_INIT;

    (void)state;
    tj__command_options_init(&options);
    options.name = "x";
    assert_int_equal(tj__command_runner_new(&options, &host, &runner, &error),
                     TJ_EINVAL);
    options.argv = nothing;
    assert_int_equal(tj__command_runner_new(&options, &host, &runner, &error),
                     TJ_EINVAL);
    options.shell = "true";
    assert_int_equal(tj__command_runner_new(&options, &host, &runner, &error),
                     TJ_EINVAL);
    options.argv = NULL;
    options.env = bad_env;
    assert_int_equal(tj__command_runner_new(&options, &host, &runner, &error),
                     TJ_EINVAL);
    assert_non_null(strstr(error.message, "NOVALUE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status_decides),
        cmocka_unit_test(test_timeout_is_said),
        cmocka_unit_test(test_start_failures_are_said),
        cmocka_unit_test(test_refused_start_is_said),
        cmocka_unit_test(test_start_without_descriptors_is_said),
        cmocka_unit_test(test_lost_warden_fails_the_run),
        cmocka_unit_test(test_context_arrives_twice),
        cmocka_unit_test(test_unread_input_holds_nobody),
        cmocka_unit_test(test_result_lines_become_entries),
        cmocka_unit_test(test_result_of_a_failed_command_stays_a_failure),
        cmocka_unit_test(test_flood_keeps_its_end_only),
        cmocka_unit_test(test_junk_is_still_a_whole_line),
        cmocka_unit_test(test_pipes_do_not_decide_the_end),
        cmocka_unit_test(test_output_file_has_it_all),
        cmocka_unit_test(test_output_file_marks_its_cut),
        cmocka_unit_test(test_output_file_that_cannot_be_made_is_said),
        cmocka_unit_test(test_cancelled_run_is_ended),
        cmocka_unit_test(test_impossible_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

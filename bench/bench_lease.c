/* G19: what the lease costs. The gate: ticks of 10 runners behind the lease's
 * gate, the lease held in SQLite and renewed meanwhile, against ticks behind
 * a gate that is always open. A renewal: CPU and time of one, against the bare
 * UPDATE in a transaction on the same kind of file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>
#include <uv.h>

#include <timedjobs/lease_sqlite.h>
#include <timedjobs/timedjobs.h>

#include "bench_support.h"

#define ROUNDS 9

static char directory[64];

/* ---- the gate ---- */

typedef struct gate_bench {
    uv_loop_t uv;
    tj_loop *loop;
    tj_lease *lease;
    tj_engine *open; /* behind a gate that is always open */
    tj_engine *leased;
    long n_ticks;
    tj_log_sink *log;
} gate_bench;

static tj_run_status
run_nothing(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static tj_gate_verdict
ask_open(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    ret_pass->controller_id = "0123456789abcdef0123456789abcdef";
    ret_pass->host = "host";
    ret_pass->term = 1;
    return TJ_GATE_OPEN;
}

static void must(int code, const char *what)
{
    if (!code)
        return;
    (void)fprintf(stderr, "bench-lease: %s: %s\n", what, tj_error_name(code));
    exit(1);
}

static tj_engine *
engine_new(gate_bench *bench, const tj_gate *gate, uint32_t n_runners)
{
    tj_engine_options options;
    tj_engine *engine = NULL;
    uint32_t at;

    tj_engine_options_init(&options);
    options.manual = true;
    options.loop = bench->loop;
    options.gate = *gate;
    options.log = bench->log;
    must(tj_engine_new(&options, &engine, NULL), "engine");
    for (at = 0; at < n_runners; at++) {
        char name[16];
        tj_runner runner = TJ_RUNNER_INIT;

        snprintf(name, sizeof(name), "runner-%u", at);
        runner.name = name;
        runner.run = run_nothing;
        must(tj_engine_add_runner(engine, &runner, NULL), "runner");
    }
    return engine;
}

/* Microseconds of CPU a tick, the keeper's included; the loop turns now and
 * then, as in life. */
static double ticks(gate_bench *bench, tj_engine *engine)
{
    double start = bench_cpu();
    long tick;

    for (tick = 0; tick < bench->n_ticks; tick++) {
        tj_tick_result result;

        must(tj_engine_tick_now(engine, &result), "tick");
        if (result.decision != TJ_DECISION_SCHEDULED)
            must(TJ_EINVAL, tj_decision_to_string(result.decision));
        if (tick % 4096 == 0)
            uv_run(&bench->uv, UV_RUN_NOWAIT);
    }
    return (bench_cpu() - start) * 1e6 / (double)bench->n_ticks;
}

static double ticks_leased(void *userdata)
{
    gate_bench *bench = userdata;

    return ticks(bench, bench->leased);
}

static double ticks_open(void *userdata)
{
    gate_bench *bench = userdata;

    return ticks(bench, bench->open);
}

static void lease_open(gate_bench *bench)
{
    tj_lease_options options;
    char path[128];

    snprintf(path, sizeof(path), "%s/gate.db", directory);
    tj_lease_options_init(&options);
    options.loop = bench->loop;
    options.take_backend = true;
    options.state_dir = directory;
    must(tj_lease_backend_sqlite_new(path, &options.backend, NULL), "backend");
    must(tj_lease_new(&options, &bench->lease, NULL), "lease");
    must(tj_lease_start(bench->lease, NULL), "start");
    while (!tj_lease_may_start(bench->lease, tj_lease_now_ns(), NULL))
        uv_run(&bench->uv, UV_RUN_ONCE);
}

static void on_closed(void *userdata)
{
    *(int *)userdata += 1;
}

/* A sink that takes what comes: the entries are made, nothing is written. */
static void discard(tj_log_sink *sink,
                    int64_t wall_ms,
                    const char *lines,
                    size_t size,
                    size_t n_lines)
{
}

static void discard_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    cb(userdata);
}

/* The gate alone, as a tick of 10 runners uses it: one ask, nine looks. */
static void bench_gate_alone(const tj_gate *gate)
{
    const int n_ticks = 1000000;
    bench_series series = { .count = 0 };
    tj_gate_request request = { .engine = NULL };
    int round, tick, at;

    for (round = 0; round < ROUNDS; round++) {
        double start = bench_now();

        for (tick = 0; tick < n_ticks; tick++) {
            tj_gate_pass pass;
            int verdict = gate->ask(request, &pass, gate->userdata);

            for (at = 1; at < 10; at++)
                verdict |= (int)gate->recheck(&pass, gate->userdata);
            must(verdict == TJ_GATE_OPEN ? 0 : TJ_EINVAL, "gate");
        }
        bench_add(&series, (bench_now() - start) * 1e9 / n_ticks);
    }
    bench_print_one("G19", "ask and nine rechecks", "ns",
                    bench_median(&series));
}

static void bench_gate(uint32_t n_runners, bool logged)
{
    static const tj_log_sink_ops discard_ops = { sizeof(tj_log_sink_ops),
                                                 discard, discard_flush };
    static tj_log_sink discard_sink = { &discard_ops };
    gate_bench bench = { .n_ticks = 4000000 / (n_runners + 5) };
    tj_gate always = TJ_GATE_INIT, gate;
    bench_series ours = { .count = 0 }, limit = { .count = 0 };
    char name[64];
    int n_closed = 0;

    if (logged) {
        bench.log = &discard_sink;
        bench.n_ticks /= 4;
    }
    must(uv_loop_init(&bench.uv), "uv");
    must(tj_loop_new_uv(&bench.uv, &bench.loop, NULL), "loop");
    lease_open(&bench);
    always.ask = ask_open;
    tj_lease_gate(bench.lease, &gate);
    bench.open = engine_new(&bench, &always, n_runners);
    bench.leased = engine_new(&bench, &gate, n_runners);
    if (n_runners == 10 && !logged)
        bench_gate_alone(&gate);
    bench_turns(ticks_leased, ticks_open, &bench, ROUNDS, &ours, &limit);
    snprintf(name, sizeof(name), "tick of %u runners behind the lease, log %s",
             n_runners, logged ? "discarded" : "off");
    bench_print("G19", name, "us of CPU", /* more_is_better= */ 0, &ours,
                &limit);
    tj_engine_close(bench.open, on_closed, &n_closed);
    tj_engine_close(bench.leased, on_closed, &n_closed);
    while (n_closed < 2)
        uv_run(&bench.uv, UV_RUN_ONCE);
    tj_lease_close(bench.lease, on_closed, &n_closed);
    while (n_closed < 3)
        uv_run(&bench.uv, UV_RUN_ONCE);
    tj_loop_close(bench.loop, on_closed, &n_closed);
    uv_run(&bench.uv, UV_RUN_DEFAULT);
    uv_loop_close(&bench.uv);
}

/* ---- a renewal ---- */

typedef struct renew_bench {
    tj_lease_backend *backend;
    sqlite3 *db;
    sqlite3_stmt *begin, *update, *commit;
    int n_calls;
    bool cpu; /* CPU time, else elapsed time */
} renew_bench;

#define HOLDER "0123456789abcdef0123456789abcdef"

static double clock_of(const renew_bench *bench)
{
    return bench->cpu ? bench_cpu() : bench_now();
}

static double renew_ours(void *userdata)
{
    renew_bench *bench = userdata;
    double start = clock_of(bench);
    int call;

    for (call = 0; call < bench->n_calls; call++) {
        tj_lease_outcome outcome = TJ_LEASE_CHANGED;
        tj_lease_pause pause;

        must(bench->backend->ops->renew(bench->backend, "main", 1, HOLDER,
                                        INT64_MAX, &outcome, &pause, NULL),
             "renew");
        must(outcome == TJ_LEASE_DONE ? 0 : TJ_EINVAL, "renew");
    }
    return (clock_of(bench) - start) * 1e6 / bench->n_calls;
}

static void step(sqlite3_stmt *statement)
{
    must(sqlite3_step(statement) == SQLITE_DONE ? 0 : TJ_EIO, "raw statement");
    sqlite3_reset(statement);
}

static double renew_raw(void *userdata)
{
    renew_bench *bench = userdata;
    double start = clock_of(bench);
    int call;

    for (call = 0; call < bench->n_calls; call++) {
        step(bench->begin);
        step(bench->update);
        step(bench->commit);
    }
    return (clock_of(bench) - start) * 1e6 / bench->n_calls;
}

/* The yardstick: the same table in a file of its own, nothing around it. */
static void raw_open(renew_bench *bench, const char *path)
{
    static const char *const texts[] = {
        "BEGIN IMMEDIATE",
        "UPDATE l SET seq = seq + 1 WHERE name = 'main' AND term = 1"
        " AND holder = '" HOLDER "'",
        "COMMIT"
    };
    sqlite3_stmt **const statements[] = { &bench->begin, &bench->update,
                                          &bench->commit };
    size_t at;

    must(sqlite3_open(path, &bench->db), "raw open");
    must(sqlite3_exec(bench->db,
                      "PRAGMA journal_mode = TRUNCATE;"
                      "PRAGMA synchronous = FULL;"
                      "CREATE TABLE l(name TEXT PRIMARY KEY, term INTEGER,"
                      " seq INTEGER, holder TEXT) WITHOUT ROWID;"
                      "INSERT INTO l VALUES('main', 1, 1, '" HOLDER "')",
                      NULL, NULL, NULL),
         "raw table");
    for (at = 0; at < 3; at++)
        must(sqlite3_prepare_v2(bench->db, texts[at], -1, statements[at], NULL),
             "raw statement");
}

static void raw_close(renew_bench *bench)
{
    sqlite3_finalize(bench->begin);
    sqlite3_finalize(bench->update);
    sqlite3_finalize(bench->commit);
    sqlite3_close(bench->db);
}

static void bench_renew(bool cpu)
{
    renew_bench bench = { .n_calls = 5000, .cpu = cpu };
    tj_lease_record seen = { .exists = false };
    tj_lease_record claim = { .lease_ms = 6000, .holder = HOLDER };
    tj_lease_outcome outcome;
    bench_series ours = { .count = 0 }, limit = { .count = 0 };
    char path[128];

    snprintf(path, sizeof(path), "%s/raw-%d.db", directory, cpu);
    raw_open(&bench, path);
    snprintf(path, sizeof(path), "%s/renew-%d.db", directory, cpu);
    must(tj_lease_backend_sqlite_new(path, &bench.backend, NULL), "backend");
    must(bench.backend->ops->acquire(bench.backend, "main", &seen, &claim,
                                     INT64_MAX, &outcome, NULL),
         "acquire");
    bench_turns(renew_ours, renew_raw, &bench, ROUNDS, &ours, &limit);
    bench_print("G19", cpu ? "renewal, CPU" : "renewal, elapsed", "us",
                /* more_is_better= */ 0, &ours, &limit);
    tj_lease_backend_free(bench.backend);
    raw_close(&bench);
}

int main(int argc, char **argv)
{
    char command[128];

    /* tmpfs: what is measured is work, not a disk. */
    snprintf(directory, sizeof(directory), "%s/tj-bench-lease-XXXXXX",
             argc > 1 ? argv[1] : "/dev/shm");
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    bench_gate(1, /* logged= */ false);
    bench_gate(10, /* logged= */ false);
    bench_gate(10, /* logged= */ true);
    bench_renew(/* cpu= */ true);
    bench_renew(/* cpu= */ false);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command) != 0;
}

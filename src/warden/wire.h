/* What client and warden say to each other.
 *
 * A SOCK_SEQPACKET pair; one message is one packet and begins with its own
 * size; descriptors travel beside it. Both ends come out of one build on one
 * machine, so the structs are sent as they are; the version in every header
 * finds the case where a daemon outlived an upgrade of its warden's file.
 *
 * The client owns the numbering: `slot` is an index below WIRE_RUNS_MAX that
 * it does not use again before the warden has said ENDED for it; `generation`
 * tells a late message about the slot's former run from one about this one. */
#ifndef TJ_WARDEN_WIRE_H
#define TJ_WARDEN_WIRE_H

#include <stdint.h>

#define WIRE_VERSION     2
#define WIRE_MESSAGE_MAX 65536
#define WIRE_RUNS_MAX    1024
#define WIRE_CELLS_MAX   64
#define WIRE_STRINGS_MAX 2048 /* arguments and variables of one run */
#define WIRE_RUN_ID_SIZE 40
#define WIRE_RUN_FDS     4 /* standard input, output, error, result */
#define WIRE_HELLO_FDS   3 /* daemon's pidfd, cells' memory, wake eventfd */
#define WIRE_SOCKET_FD   3 /* where the warden finds its end */

/* The variable by which a process is known to belong to a run. */
#define WIRE_RUN_ID_VARIABLE "TIMED_JOBS_RUN_ID"
/* And the one by which it is known whom it works for. */
#define WIRE_CONTROLLER_VARIABLE "TIMED_JOBS_CONTROLLER_ID"

/* Exit codes of the executable. */
enum wire_exit {
    WIRE_EXIT_OK = 0,
    WIRE_EXIT_USAGE = 64,   /* started by hand */
    WIRE_EXIT_SETUP = 71,   /* the kernel refused something indispensable */
    WIRE_EXIT_PROTOCOL = 76 /* a message it did not understand */
};

enum wire_type {
    WIRE_HELLO = 1, /* to the warden */
    WIRE_RELEASE,
    WIRE_START,
    WIRE_STOP,
    WIRE_SHUTDOWN,
    WIRE_PING,        /* only a header */
    WIRE_READY = 101, /* from the warden */
    WIRE_STARTED,
    WIRE_ENDED,
    WIRE_HEARD /* only a header: one for each STOP and PING */
};

struct wire_header {
    uint32_t size; /* of the whole message */
    uint16_t type;
    uint16_t version;
    uint32_t slot;
    uint32_t generation;
};

/* First message; with all of WIRE_HELLO_FDS (the last two when n_cells). */
struct wire_hello {
    struct wire_header header;
    uint32_t n_cells;
    uint32_t kill_hung; /* 1: end a daemon that overstays dead_at */
};

/* What releases the lease of cell `slot`; argv as strings after it. */
struct wire_release {
    struct wire_header header;
    uint32_t n_arguments;
    uint32_t text_size;
};

/* Followed by text_size bytes: directory (if has_directory), arguments,
 * variables, each with its NUL. Descriptors: those of fd_mask, in order. */
struct wire_start {
    struct wire_header header;
    char run_id[WIRE_RUN_ID_SIZE];
    int64_t term; /* 0: any */
    int64_t timeout_ms;
    int64_t grace_ms;
    int32_t cell;  /* -1: none */
    int32_t umask; /* -1: as the warden's */
    uint32_t fd_mask;
    uint32_t n_arguments;
    uint32_t n_variables;
    uint32_t has_directory;
    uint32_t text_size;
    uint32_t reserved;
};

struct wire_stop {
    struct wire_header header;
    int64_t grace_ms;
};

struct wire_ready {
    struct wire_header header;
    int32_t lock_errno;
    int32_t oom_errno;
};

struct wire_started {
    struct wire_header header;
    int32_t pid;
    int32_t reserved;
};

/* Why a run ended; the client's tj_warden_cause without its own LOST. */
enum wire_cause {
    WIRE_EXITED,
    WIRE_START_FAILED,
    WIRE_TIMED_OUT,
    WIRE_STOPPED,
    WIRE_LEASE_OVER,
    WIRE_DAEMON_GONE
};

/* X(name, text): at which step a start failed. */
#define WIRE_STEP_MAP(X)                    \
    X(WIRE_STEP_NONE, "")                   \
    X(WIRE_STEP_LEASE, "lease")             \
    X(WIRE_STEP_FORK, "fork")               \
    X(WIRE_STEP_SESSION, "setsid")          \
    X(WIRE_STEP_PARENT, "parent")           \
    X(WIRE_STEP_DESCRIPTORS, "descriptors") \
    X(WIRE_STEP_OOM_SCORE, "oom_score_adj") \
    X(WIRE_STEP_PRIVILEGES, "no_new_privs") \
    X(WIRE_STEP_DIRECTORY, "chdir")         \
    X(WIRE_STEP_EXEC, "exec")               \
    X(WIRE_STEP_INTERPRETER, "exec of its interpreter")

enum wire_step {

#define WIRE_STEP_ENUM_(name, text) name,
    WIRE_STEP_MAP(WIRE_STEP_ENUM_)
#undef WIRE_STEP_ENUM_
};

struct wire_ended {
    struct wire_header header;
    int32_t cause;
    int32_t pid;         /* 0: there was no process */
    int32_t wait_status; /* as wait(2) has it */
    int32_t step;
    int32_t step_errno;
    uint32_t n_leftovers;
    uint32_t n_survivors;
    uint32_t reserved;
    int64_t duration_us;
    int64_t cpu_us;
    int64_t max_rss_kib;
};

#endif

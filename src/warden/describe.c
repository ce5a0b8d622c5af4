/* Words for how a run ended. */
#include "warden/client.h"

#include "warden/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

const char *tj__warden_cause_to_string(tj_warden_cause cause)
{
    switch (cause) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_WARDEN_CAUSE_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

const char *tj__warden_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {

#define NAME(name) { name, #name }
        NAME(SIGHUP),    NAME(SIGINT),   NAME(SIGQUIT), NAME(SIGILL),
        NAME(SIGTRAP),   NAME(SIGABRT),  NAME(SIGBUS),  NAME(SIGFPE),
        NAME(SIGKILL),   NAME(SIGUSR1),  NAME(SIGSEGV), NAME(SIGUSR2),
        NAME(SIGPIPE),   NAME(SIGALRM),  NAME(SIGTERM), NAME(SIGSTKFLT),
        NAME(SIGCHLD),   NAME(SIGCONT),  NAME(SIGSTOP), NAME(SIGTSTP),
        NAME(SIGTTIN),   NAME(SIGTTOU),  NAME(SIGURG),  NAME(SIGXCPU),
        NAME(SIGXFSZ),   NAME(SIGPROF),  NAME(SIGIO),   NAME(SIGPWR),
        NAME(SIGVTALRM), NAME(SIGWINCH), NAME(SIGSYS),
#undef NAME
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number)
            return names[i].name;
    }
    return "a real-time signal";
}

static void describe_start(const tj_warden_end *end, char *text, size_t size)
{
    char reason[128];

    if (end->step_errno == ECANCELED)
        snprintf(text, size, "not started: its lease is not held any more");
    else
        snprintf(text, size, "failed at %s: %s",
                 end->step ? end->step : "start",
                 strerror_r(end->step_errno, reason, sizeof(reason)));
}

static void describe_exit(const tj_warden_end *end, char *text, size_t size)
{
    if (end->term_signal)
        snprintf(text, size, "killed by signal %d (%s)", end->term_signal,
                 tj__warden_signal_name(end->term_signal));
    else
        snprintf(text, size, "exit status %d", end->exit_status);
}

void tj__warden_end_describe(const tj_warden_end *end,
                             int64_t timeout_ms,
                             char *text,
                             size_t size)
{
    switch (end->cause) {
    case TJ_WARDEN_EXITED:
        describe_exit(end, text, size);
        break;
    case TJ_WARDEN_START_FAILED:
        describe_start(end, text, size);
        break;
    case TJ_WARDEN_TIMED_OUT:
        snprintf(text, size, "timed out after %lld ms", (long long)timeout_ms);
        break;
    case TJ_WARDEN_STOPPED:
        snprintf(text, size, "stopped");
        break;
    case TJ_WARDEN_LEASE_OVER:
        snprintf(text, size, "killed: the deadline of its lease had passed");
        break;
    case TJ_WARDEN_DAEMON_GONE:
        snprintf(text, size, "killed: the warden lost the daemon");
        break;
    case TJ_WARDEN_LOST:
        snprintf(text, size, "killed: the warden was lost");
        break;
    default:
        snprintf(text, size, "ended");
        break;
    }
}

int tj__warden_make_run_id(char run_id[TJ_RUN_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];

    /* So few bytes are never cut short once the kernel's pool is ready. */
    while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        if (errno != EINTR)
            return TJ_ESYSTEM;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        run_id[2 * i] = digits[bytes[i] >> 4];
        run_id[2 * i + 1] = digits[bytes[i] & 15];
    }
    run_id[32] = '\0';
    return 0;
}

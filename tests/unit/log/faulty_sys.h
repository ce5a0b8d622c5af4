/* The log's calls to the kernel, real, but failing on demand, and a clock that
 * stands still. One at a time; faulty_reset is called first. Any thread. */
#ifndef TESTS_UNIT_LOG_FAULTY_SYS_H
#define TESTS_UNIT_LOG_FAULTY_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/day_log.h"

typedef enum faulty_call {
    CALL_OPENAT,
    CALL_WRITEV,
    CALL_PREAD,
    CALL_FSTAT,
    CALL_FSTATAT,
    CALL_FDATASYNC,
    CALL_FSYNC,
    CALL_MKDIRAT,
    CALL_UNLINKAT,
    N_FAULTY_CALLS
} faulty_call;

/* With a clock that only faulty_pass_ms moves, for DIRECT mode. */
extern const tj_log_sys faulty_sys;
/* With the real clock, for THREAD mode. */
extern const tj_log_sys faulty_sys_timed;
/* Times that suit THREAD mode under test: everything soon. */
extern const tj_log_tuning faulty_tuning;

/* Nothing fails any more, the counts are 0, the clock at 1000 s. */
void faulty_reset(void);
/* The calls after the next `successes` fail, `n_failures` of them. */
void faulty_fail(faulty_call call,
                 size_t successes,
                 size_t n_failures,
                 int reason);
/* How often a call was made since the reset. */
size_t faulty_count(faulty_call call);
/* How many failures were handed out since the reset. */
size_t faulty_failures(void);

/* The disk takes `size` more bytes and is full then; -1: it never is. */
void faulty_space(int64_t size);
/* A write takes at most `size` bytes; 0: any. */
void faulty_write_max(size_t size);
/* Before a writev, run this once, after `successes` of them. */
void faulty_before_write(size_t successes, void (*run)(void));
/* fstat tells that files have no name any more. */
void faulty_no_names(bool on);

/* Writes hang until they are released. */
void faulty_hang(bool on);
/* Wait until a write hangs. */
void faulty_wait_hanging(void);

void faulty_pass_ms(int64_t ms);

#endif

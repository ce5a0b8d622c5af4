/* What `timed-jobs run` tells whoever watches it.
 *
 * On a terminal: one readable line per event, coloured when asked. In a pipe:
 * one JSON object per line. A reader that does not keep up never blocks the
 * daemon: lines that do not fit are counted and the count is told later. */
#ifndef TJ_DAEMON_NARRATOR_H
#define TJ_DAEMON_NARRATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#include <timedjobs/engine.h>
#include <timedjobs/json.h>

enum narrator_mode { NARRATOR_HUMAN, NARRATOR_JSON };

enum narrator_level {
    NARRATOR_INFO,
    NARRATOR_GOOD,
    NARRATOR_WARNING,
    NARRATOR_ERROR
};

struct narrator {
    int fd;
    enum narrator_mode mode;
    bool color;
    bool quiet;  /* only warnings and errors */
    bool closed; /* the reader has left; nothing is written any more */
    size_t job_width;
    uint64_t n_lost; /* lines the reader had no room for */
    tj_buf line;
};

void narrator_init(struct narrator *narrator,
                   int fd,
                   enum narrator_mode mode,
                   bool color,
                   bool quiet);
void narrator_done(struct narrator *narrator);

/* Tell something about the daemon. `event` is the machine's word for it
 * ("leading"), `details_take` (may be NULL) is an object whose keys follow it
 * in JSON mode; the rest is the sentence for people. */
void narrator_say(struct narrator *narrator,
                  enum narrator_level level,
                  const char *event,
                  tj_json *details_take,
                  const char *format,
                  ...) TJ_PRINTF(5, 6);

/* Tell how a tick ended. `trouble` (may be NULL) is the first failure in it:
 * "runner: why". */
void narrator_tick(struct narrator *narrator,
                   const char *job,
                   const tj_tick_report *report,
                   const char *trouble);

#endif

/* What a command writes to its result descriptor: JSON lines.
 *
 *   {"stage":"…","result":…,"error":…,"duration_ms":…,"details":{…}}
 *       an entry of the runner's own in the log; only stage is mandatory
 *   {"result":"…","details":{…}}
 *       the result; the last one counts
 *
 * Whatever else comes is kept as text and never fails the run. Pure: bytes in,
 * calls out. */
#ifndef TJ_RUNNERS_NOTES_H
#define TJ_RUNNERS_NOTES_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/json.h>
#include <timedjobs/runner.h>

#define TJ_NOTES_LINE_MAX  65536   /* bytes of one line */
#define TJ_NOTES_TOTAL_MAX 4194304 /* bytes of all lines of a run */
#define TJ_NOTES_MAX       1000    /* entries of a run */

/* Takes an entry; everything in it is borrowed for the call. */
typedef void (*tj_note_cb)(const tj_run_note *note, void *userdata);

typedef struct tj_notes {
    tj_note_cb cb;
    void *userdata;
    tj_buf line;
    bool skipping;      /* the rest of a line that was too long */
    uint64_t total;     /* bytes seen */
    uint64_t n_notes;   /* handed out */
    uint64_t n_dropped; /* lines past one of the limits */
    char *result;       /* of the result line; NULL: none or null */
    tj_json *details;   /* of the result line; may be NULL */
} tj_notes;

void tj__notes_init(tj_notes *notes, tj_note_cb cb, void *userdata);
void tj__notes_done(tj_notes *notes);
void tj__notes_feed(tj_notes *notes, const char *bytes, size_t size);
/* No more bytes come: a last line without a newline counts, and what was
 * dropped is said in one more entry. */
void tj__notes_end(tj_notes *notes);

#endif

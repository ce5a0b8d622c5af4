/* One day's file, `YYYY-MM-DD.jsonl` below the log's directory.
 *
 * Guarantees: lines never fuse and a line of ours is never left torn while the
 * disk takes bytes. After a write that fell short the rest follows where it
 * stopped, as long as nobody else has written meanwhile; otherwise the file's
 * last line is ended first and our line begins again. A file that was deleted
 * under us is made again: a write is followed by a look at the file, and is
 * made once more in the new one when the old is gone. A caller of many small
 * writes may look less often; what went away between two looks is counted.
 * Only regular files of ours with one name are written to, and no link is ever
 * followed. */
#ifndef TJ_LOG_DAY_FILE_H
#define TJ_LOG_DAY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/error.h>

#include "base/iso_time.h"
#include "log/line_queue.h"
#include "log/log_dir.h"

#define TJ_DAY_NAME_LENGTH (TJ_ISO_DATE_LENGTH + 6)
#define TJ_DAY_NAME_SIZE   (TJ_ISO_TIME_SIZE + 8)

/* Print the name of a day's file. */
void tj__day_name_print(char name[TJ_DAY_NAME_SIZE], int64_t day);

/* Tell whether a name is of the form 0000-00-00.jsonl: what retention may
 * touch. */
bool tj__day_name_check(const char *name);

/* What a failed call was about. */
typedef enum tj_file_trouble {
    TJ_FILE_FINE,
    /* the disk or the directory: other days' files would fail as well */
    TJ_FILE_DISK,
    /* this file: refused, not permitted, or at its greatest size */
    TJ_FILE_ITSELF
} tj_file_trouble;

typedef struct tj_day_file {
    const tj_log_sys *sys;
    tj_log_dir *dir;
    int fd; /* -1 when not open */
    int64_t day;
    dev_t dev;
    ino_t ino;
    /* The file's end after our last write, when nobody else wrote; -1: look
     * at the last byte before the next write. */
    int64_t end;
    bool unsynced;         /* written to since the last sync */
    bool shared;           /* somebody else was seen to write here */
    size_t n_unseen_lines; /* written since the last look */
    size_t unseen_size;
    size_t n_lost_lines; /* went away with a deleted file; the caller takes */
    size_t lost_size;    /* note and sets them to 0 */
    char name[TJ_DAY_NAME_SIZE];
} tj_day_file;

void tj__day_file_init(tj_day_file *file,
                       const tj_log_sys *sys,
                       tj_log_dir *dir);

/* Open a day's file, made 0640 when it is missing, and the directory with it.
 * One that was open is closed first. */
tj_file_trouble
tj__day_file_open(tj_day_file *file, int64_t day, tj_error *reterr);
void tj__day_file_close(tj_day_file *file);

/* Write a chunk from `*offset` on; `*offset` says afterwards how much of it is
 * in the file, also on failure, and is where the next call goes on (which may
 * step back to the beginning of a line). The file must be open; it may be
 * closed after a failure. `look`: afterwards, whether it still has a name. */
tj_file_trouble tj__day_file_write(tj_day_file *file,
                                   const tj_chunk *chunk,
                                   size_t *offset,
                                   bool look,
                                   tj_error *reterr);

/* Look whether the file still has a name, if it was written to since the last
 * look; if not, close it and count what was written since then as lost. */
void tj__day_file_look(tj_day_file *file);

/* End an unfinished last line that somebody's crash has left. */
tj_file_trouble tj__day_file_mend(tj_day_file *file, tj_error *reterr);

/* fdatasync. A file system that cannot do it counts as done. */
tj_file_trouble tj__day_file_sync(tj_day_file *file, tj_error *reterr);

/* Tell whether the directory and the name in it are still what is open. */
bool tj__day_file_is_current(const tj_day_file *file);

/* Count the lines that end within the first `size` bytes of a chunk. */
size_t tj__chunk_count_lines(const tj_chunk *chunk, size_t size);

#endif

/* See output_file.h.
 *
 * `pending` gathers while `writing` is with the thread pool; they swap places
 * when a write is done. Bytes past the head go into a ring, which is written
 * at the end, after a line that says how much is missing. */
#include "runners/output_file.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "runners/capture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

#define TAIL_MAX    65536
#define PENDING_MAX 262144

struct tj_output_file {
    uv_fs_t request; /* one at a time */
    struct uv_loop_s *uv;
    int fd; /* -1 until it is open */
    bool busy;
    bool finishing;
    bool was_full;
    size_t head_left;
    tj_capture tail;
    tj_buf pending;
    tj_buf writing;
    size_t written; /* of `writing` */
    tj_error error;
    void (*on_room)(void *userdata);
    void *userdata;
};

static void go_on(tj_output_file *file);

static void failed(tj_output_file *file, ssize_t code, const char *what)
{
    tj__error_set_errno(&file->error, (int)-code, "runners", "%s", what);
    tj__buf_done(&file->pending); /* `writing` may be in flight */
}

static void file_free(tj_output_file *file)
{
    tj__capture_done(&file->tail);
    tj__buf_done(&file->pending);
    tj__buf_done(&file->writing);
    tj__free(file);
}

/* The result of the request that just ended. */
static ssize_t request_take(uv_fs_t *request)
{
    ssize_t result = request->result;
    tj_output_file *file = request->data;

    uv_fs_req_cleanup(request);
    file->busy = false;
    return result;
}

static void on_closed(uv_fs_t *request)
{
    request_take(request);
    file_free(request->data);
}

static void on_written(uv_fs_t *request)
{
    tj_output_file *file = request->data;
    ssize_t result = request_take(request);

    if (result < 0)
        failed(file, result, "cannot write the output file");
    else
        file->written += (size_t)result;
    go_on(file);
}

static void on_open(uv_fs_t *request)
{
    tj_output_file *file = request->data;
    ssize_t result = request_take(request);

    if (result < 0)
        failed(file, result, "cannot make the output file");
    else
        file->fd = (int)result;
    go_on(file);
}

static bool write_begin(tj_output_file *file)
{
    uv_buf_t part;

    if (file->written == file->writing.size) {
        tj_buf swapped = file->writing;

        tj__buf_clear(&swapped);
        file->writing = file->pending;
        file->pending = swapped;
        file->written = 0;
    }
    if (file->writing.size == 0)
        return false;
    part = uv_buf_init(file->writing.data + file->written,
                       (unsigned)(file->writing.size - file->written));
    file->busy = true;
    if (uv_fs_write(file->uv, &file->request, file->fd, &part, 1, -1,
                    on_written) == 0)
        return true;
    file->busy = false;
    failed(file, UV_ENOMEM, "cannot write the output file");
    return false;
}

static bool is_full(const tj_output_file *file)
{
    return file->error.code == 0 &&
           file->pending.size + file->writing.size - file->written >
               PENDING_MAX;
}

/* Whatever comes next, when nothing is in flight. */
static void go_on(tj_output_file *file)
{
    if (file->busy)
        return;
    if (file->fd >= 0 && file->error.code == 0 && write_begin(file))
        return;
    if (file->was_full && !file->finishing && !is_full(file)) {
        file->was_full = false;
        file->on_room(file->userdata);
        return;
    }
    if (!file->finishing)
        return;
    if (file->fd < 0) {
        file_free(file);
        return;
    }
    file->busy = true;
    uv_fs_close(file->uv, &file->request, file->fd, on_closed);
}

int tj__output_file_new(struct uv_loop_s *uv,
                        const char *dir,
                        const char *name,
                        size_t max,
                        void (*on_room)(void *userdata),
                        void *userdata,
                        tj_output_file **ret_file,
                        tj_error *reterr)
{
    size_t tail_max = max / 4 < TAIL_MAX ? max / 4 : TAIL_MAX;
    tj_buf path = TJ_BUF_INIT;
    tj_output_file *file = tj__calloc(1, sizeof(*file));

    tj__buf_printf(&path, "%s/%s.log", dir, name);
    if (!file || path.failed)
        goto out_of_memory;
    file->uv = uv;
    file->fd = -1;
    file->head_left = max - tail_max;
    tj__capture_init(&file->tail, tail_max);
    file->on_room = on_room;
    file->userdata = userdata;
    file->request.data = file;
    file->busy = true;
    if (uv_fs_open(uv, &file->request, path.data,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640,
                   on_open) != 0)
        goto out_of_memory;
    tj__buf_done(&path);
    *ret_file = file;
    return 0;

out_of_memory:
    tj__buf_done(&path);
    tj__free(file);
    return tj__error_set(reterr, TJ_ENOMEM, "runners", "out of memory");
}

void tj__output_file_add(tj_output_file *file, const char *bytes, size_t size)
{
    size_t head = size < file->head_left ? size : file->head_left;

    if (file->error.code != 0)
        return;
    if (head > 0) {
        tj__buf_append(&file->pending, bytes, head);
        if (file->pending.failed) {
            failed(file, UV_ENOMEM, "cannot keep the output");
            return;
        }
        file->head_left -= head;
    }
    tj__capture_add(&file->tail, bytes + head, size - head);
    go_on(file);
}

bool tj__output_file_is_full(tj_output_file *file)
{
    file->was_full = is_full(file);
    return file->was_full;
}

const tj_error *tj__output_file_error(const tj_output_file *file)
{
    return &file->error;
}

/* What the head had no room for: its last bytes, and how much is missing. */
static void tail_add(tj_output_file *file)
{
    size_t size = tj__capture_size(&file->tail);
    uint64_t lost = file->tail.total - size;

    if (lost > 0)
        tj__buf_printf(&file->pending,
                       "\n[... %" PRIu64 " bytes left out ...]\n", lost);
    if (size > 0 && tj__buf_reserve(&file->pending, size)) {
        tj__capture_copy(&file->tail, file->pending.data + file->pending.size);
        file->pending.size += size;
    }
}

void tj__output_file_finish(tj_output_file *file)
{
    if (!file)
        return;
    file->finishing = true;
    if (file->error.code == 0)
        tail_add(file);
    go_on(file);
}

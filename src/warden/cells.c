/* The cells: a memfd that client and warden map, an eventfd to wake the
 * warden, and the release command of each lease. See client.h. */
#include "warden/cells.h"

#include "base/alloc.h"
#include "base/error.h"
#include "warden/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(TJ_WARDEN_CELLS_MAX == WIRE_CELLS_MAX, "one limit");
/* Limits of the warden's own table, with room for "--term" and its value. */
#define RELEASE_ARGUMENTS_MAX 32
#define RELEASE_TEXT_MAX      16384

static int cells_map(tj_warden_cells *cells, tj_error *reterr)
{
    size_t size = cells->n_cells * sizeof(tj_deadline_cell);
    void *memory;

    cells->memory_fd =
        memfd_create("timed-jobs-cells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (cells->memory_fd < 0 || ftruncate(cells->memory_fd, (off_t)size) != 0)
        return tj__error_set_errno(reterr, errno, "warden",
                                   "cannot make shared memory");
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                  cells->memory_fd, 0);
    if (memory == MAP_FAILED)
        return tj__error_set_errno(reterr, errno, "warden",
                                   "cannot map shared memory");
    cells->cells = memory;
    cells->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cells->wake_fd < 0)
        return tj__error_set_errno(reterr, errno, "warden",
                                   "cannot make an eventfd");
    return 0;
}

int tj__warden_cells_new(size_t n_cells,
                         tj_warden_cells **ret_cells,
                         tj_error *reterr)
{
    tj_warden_cells *cells;
    int code;

    if (n_cells > TJ_WARDEN_CELLS_MAX)
        return tj__error_set(reterr, TJ_EINVAL, "warden",
                             "at most %d leases at a time",
                             TJ_WARDEN_CELLS_MAX);
    cells = tj__calloc(1, sizeof(*cells));
    if (!cells)
        return tj__error_set(reterr, TJ_ENOMEM, "warden", "out of memory");
    cells->n_cells = n_cells;
    cells->memory_fd = -1;
    cells->wake_fd = -1;
    code = n_cells > 0 ? cells_map(cells, reterr) : 0;
    if (code != 0) {
        tj__warden_cells_free(cells);
        return code;
    }
    *ret_cells = cells;
    return 0;
}

void tj__warden_cells_free(tj_warden_cells *cells)
{
    if (!cells)
        return;
    if (cells->cells)
        munmap(cells->cells, cells->n_cells * sizeof(tj_deadline_cell));
    if (cells->memory_fd >= 0)
        close(cells->memory_fd);
    if (cells->wake_fd >= 0)
        close(cells->wake_fd);
    for (size_t i = 0; i < TJ_WARDEN_CELLS_MAX; i++)
        tj__free(cells->releases[i].text);
    tj__free(cells);
}

tj_deadline_cell *tj__warden_cells_get(tj_warden_cells *cells, size_t index)
{
    return index < cells->n_cells ? &cells->cells[index] : NULL;
}

int tj__warden_cells_set_release(tj_warden_cells *cells,
                                 size_t index,
                                 const char *const *argv)
{
    tj_cell_release release = { 0 };
    size_t at = 0;

    if (index >= cells->n_cells || !argv || !argv[0] || argv[0][0] != '/')
        return TJ_EINVAL;
    for (; argv[release.n_arguments]; release.n_arguments++)
        release.size += strlen(argv[release.n_arguments]) + 1;
    if (release.n_arguments > RELEASE_ARGUMENTS_MAX ||
        release.size > RELEASE_TEXT_MAX / cells->n_cells)
        return TJ_EINVAL;
    release.text = tj__malloc(release.size);
    if (!release.text)
        return TJ_ENOMEM;
    for (size_t i = 0; i < release.n_arguments; i++) {
        size_t size = strlen(argv[i]) + 1;

        memcpy(release.text + at, argv[i], size);
        at += size;
    }
    tj__free(cells->releases[index].text);
    cells->releases[index] = release;
    return 0;
}

void tj__warden_cells_wake(tj_warden_cells *cells)
{
    uint64_t one = 1;
    ssize_t size;

    if (cells->wake_fd < 0)
        return;
    size = write(cells->wake_fd, &one, sizeof(one));
    (void)size; /* EAGAIN: it is awake enough */
}

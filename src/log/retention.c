/* See retention.h. */
#include "log/retention.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct day_entry {
    char name[TJ_DAY_NAME_LENGTH + 1];
    int64_t size;
} day_entry;

typedef struct day_list {
    day_entry *entries;
    size_t n_entries;
    size_t capacity;
} day_list;

static int entry_compare(const void *left, const void *right)
{
    const day_entry *first = left, *second = right;

    return strcmp(first->name, second->name);
}

static day_entry *list_add(day_list *list)
{
    size_t capacity = list->capacity ? 2 * list->capacity : 32;
    day_entry *entries;

    if (list->n_entries == list->capacity) {
        entries = tj__realloc(list->entries, capacity * sizeof(*entries));
        if (!entries)
            return NULL;
        list->entries = entries;
        list->capacity = capacity;
    }
    return &list->entries[list->n_entries++];
}

static DIR *dir_list(const tj_log_dir *dir)
{
    int fd = tj__sys_openat(dir->sys, dir->fd, ".",
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && !stream)
        dir->sys->close(fd);
    return stream;
}

/* Collect the day files, earliest first. What memory does not allow to list
 * stays until the next time. */
static void list_read(day_list *list, const tj_log_dir *dir)
{
    DIR *stream = dir_list(dir);
    const struct dirent *found;
    struct stat status;

    while (stream &&
           (found = readdir(stream))) { // NOLINT(concurrency-mt-unsafe)
        day_entry *entry;

        if (!tj__day_name_check(found->d_name) ||
            dir->sys->fstatat(dir->fd, found->d_name, &status,
                              AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(status.st_mode))
            continue;
        entry = list_add(list);
        if (!entry)
            break;
        memcpy(entry->name, found->d_name, sizeof(entry->name));
        entry->size = status.st_size;
    }
    if (stream)
        closedir(stream);
    if (list->n_entries)
        qsort(list->entries, list->n_entries, sizeof(*list->entries),
              entry_compare);
}

size_t tj__retention_run(const tj_retention *retention,
                         const tj_log_dir *dir,
                         int64_t today,
                         const char *current)
{
    char oldest[TJ_DAY_NAME_SIZE] = "";
    day_list list = { 0 };
    int64_t total = 0;
    size_t n_removed = 0;

    list_read(&list, dir);
    for (size_t i = 0; i < list.n_entries; i++)
        total += list.entries[i].size;
    if (retention->keep_days > 0)
        tj__day_name_print(oldest, today - retention->keep_days);

    for (size_t i = 0; i < list.n_entries; i++) {
        const day_entry *entry = &list.entries[i];
        bool large = retention->keep_bytes > 0 && total > retention->keep_bytes;

        if (strcmp(entry->name, current) >= 0 ||
            (!large && strcmp(entry->name, oldest) >= 0))
            break;
        if (dir->sys->unlinkat(dir->fd, entry->name, 0))
            continue;
        total -= entry->size;
        n_removed++;
    }
    tj__free(list.entries);
    return n_removed;
}

bool tj__retention_latest_day(const tj_log_dir *dir, int64_t *ret_day)
{
    char text[] = "0000-00-00T00:00:00.000Z";
    day_list list = { 0 };
    bool found = false;
    int64_t wall_ms;

    list_read(&list, dir);
    for (size_t i = list.n_entries; i > 0 && !found; i--) {
        memcpy(text, list.entries[i - 1].name, TJ_ISO_DATE_LENGTH);
        found = tj__iso_time_parse(text, TJ_ISO_TIME_LENGTH, &wall_ms);
        if (found)
            *ret_day = tj__iso_day(wall_ms);
    }
    tj__free(list.entries);
    return found;
}

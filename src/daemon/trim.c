/* See trim.h. */
#include "daemon/trim.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_object(struct dl_phdr_info *object, size_t size, void *userdata)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int at;

    (void)size;
    (void)userdata;
    for (at = 0; at < object->dlpi_phnum; at++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[at];
        uintptr_t begin, end;

        /* Writable segments hold relocated data: never those. The others are
         * as they are in their file. */
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
            continue;
        begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) &
              ~(page - 1);
        if (end > begin)
            madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void trim_memory(void)
{
    malloc_trim(0);
    dl_iterate_phdr(drop_object, NULL);
}

/* The inside of tj_warden_cells, for the client. */
#ifndef TJ_WARDEN_CELLS_H
#define TJ_WARDEN_CELLS_H

#include "warden/client.h"

/* A release command as the wire has it: texts one after the other. */
typedef struct tj_cell_release {
    char *text; /* NULL: none */
    size_t size;
    size_t n_arguments;
} tj_cell_release;

struct tj_warden_cells {
    size_t n_cells;
    tj_deadline_cell *cells; /* NULL when there are none */
    int memory_fd;
    int wake_fd;
    tj_cell_release releases[TJ_WARDEN_CELLS_MAX];
};

#endif

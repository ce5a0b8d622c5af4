/* See timer_heap.h. */
#include "loop/timer_heap.h"

#include <stdbool.h>

#include "base/alloc.h"

enum { WAYS = 4 };

static bool is_before(tj__timer_slot left, tj__timer_slot right)
{
    if (left.due_ns != right.due_ns)
        return left.due_ns < right.due_ns;
    return left.timer->serial < right.timer->serial;
}

static void slot_put(tj__timer_heap *heap, size_t at, tj__timer_slot slot)
{
    heap->slots[at] = slot;
    slot.timer->slot = at;
}

/* Fill the hole at `at` with `slot`, or with what has to be there instead. */
static void sift_up(tj__timer_heap *heap, size_t at, tj__timer_slot slot)
{
    while (at > 0 && is_before(slot, heap->slots[(at - 1) / WAYS])) {
        slot_put(heap, at, heap->slots[(at - 1) / WAYS]);
        at = (at - 1) / WAYS;
    }
    slot_put(heap, at, slot);
}

static size_t first_child(const tj__timer_heap *heap, size_t at)
{
    size_t child = at * WAYS + 1;
    size_t end = child + WAYS < heap->size ? child + WAYS : heap->size;
    size_t first = child;

    for (child++; child < end; child++) {
        if (is_before(heap->slots[child], heap->slots[first]))
            first = child;
    }
    return first;
}

static void sift_down(tj__timer_heap *heap, size_t at, tj__timer_slot slot)
{
    while (at * WAYS + 1 < heap->size) {
        size_t child = first_child(heap, at);

        if (!is_before(heap->slots[child], slot))
            break;
        slot_put(heap, at, heap->slots[child]);
        at = child;
    }
    slot_put(heap, at, slot);
}

int tj__timer_heap_start(tj__timer_heap *heap,
                         uint64_t due_ns,
                         uint64_t period_ns,
                         tj_timer_cb cb,
                         void *userdata,
                         tj_timer **ret_timer)
{
    tj_timer *timer;

    if (heap->size == heap->capacity) {
        size_t capacity = heap->capacity ? heap->capacity * 2 : 8;
        tj__timer_slot *slots =
            tj__realloc(heap->slots, capacity * sizeof(*slots));

        if (!slots)
            return TJ_ENOMEM;
        heap->slots = slots;
        heap->capacity = capacity;
    }
    timer = tj__malloc(sizeof(*timer));
    if (!timer)
        return TJ_ENOMEM;
    timer->period_ns = period_ns;
    timer->serial = heap->serial++;
    timer->cb = cb;
    timer->userdata = userdata;
    heap->size++;
    sift_up(heap, heap->size - 1, (tj__timer_slot){ due_ns, timer });
    *ret_timer = timer;
    return 0;
}

void tj__timer_heap_stop(tj__timer_heap *heap, tj_timer *timer)
{
    size_t at = timer->slot;
    tj__timer_slot last = heap->slots[--heap->size];

    if (last.timer != timer) {
        if (at > 0 && is_before(last, heap->slots[(at - 1) / WAYS]))
            sift_up(heap, at, last);
        else
            sift_down(heap, at, last);
    }
    tj__free(timer);
}

uint64_t tj__timer_heap_due(const tj__timer_heap *heap)
{
    return heap->size ? heap->slots[0].due_ns : TJ__TIMER_NEVER;
}

void tj__timer_heap_fire(tj__timer_heap *heap, uint64_t now_ns)
{
    tj__timer_slot slot = heap->slots[0];
    tj_timer_cb cb = slot.timer->cb;
    void *userdata = slot.timer->userdata;
    uint64_t expirations = 1;

    if (slot.timer->period_ns) {
        uint64_t period_ns = slot.timer->period_ns;

        expirations += (now_ns - slot.due_ns) / period_ns;
        slot.due_ns = tj__timer_add(slot.due_ns + (expirations - 1) * period_ns,
                                    period_ns);
    } else {
        slot.due_ns = TJ__TIMER_NEVER;
    }
    sift_down(heap, 0, slot);
    /* From here on the timer may be gone. */
    cb(userdata, expirations);
}

void tj__timer_heap_done(tj__timer_heap *heap)
{
    size_t at;

    for (at = 0; at < heap->size; at++)
        tj__free(heap->slots[at].timer);
    tj__free(heap->slots);
    *heap = (tj__timer_heap){ 0 };
}

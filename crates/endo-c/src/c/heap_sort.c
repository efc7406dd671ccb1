
/* Heap sort of positions, which needs no memory. */
static void NAME(const T *x, int32_t *places, long count, int descending) {
    long end = count, root = count / 2;
    for (long i = 0; i < count; i++) places[i] = (int32_t)i;
    while (end > 1) {
        long parent, child;
        int32_t place;
        if (root > 0) {
            place = places[--root];
        } else {
            place = places[--end];
            places[end] = places[0];
        }
        for (parent = root; (child = 2 * parent + 1) < end; parent = child) {
            if (child + 1 < end && NAME_before(x, places[child], places[child + 1], descending)) {
                child++;
            }
            if (!NAME_before(x, place, places[child], descending)) break;
            places[parent] = places[child];
        }
        places[parent] = place;
    }
}


/* Whether an element comes before another; equal ones in their order. */
static int NAME_before(const T *x, int32_t a, int32_t b, int descending) {
    return x[a] == x[b] ? a < b : descending ? x[a] > x[b] : x[a] < x[b];
}

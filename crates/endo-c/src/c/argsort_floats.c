
/* Whether an element comes before another: NaN last, equal ones in their order. */
static int NAME_before(const T *x, int32_t a, int32_t b, int descending) {
    if (isnan(x[a]) || isnan(x[b])) {
        return isnan(x[a]) && isnan(x[b]) ? a < b : !isnan(x[a]);
    }
    return x[a] == x[b] ? a < b : descending ? x[a] > x[b] : x[a] < x[b];
}

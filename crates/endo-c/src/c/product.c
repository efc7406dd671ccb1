
/* NAME: c[m][n] = a[m][k] * b[k][n], and a row added to each if there is one. The distances between
   rows and between columns of a and b are given. Sums of a tile are kept in registers; each goes
   through its terms in their order, but for dots, which have four parts. Tiles are as wide as
   compilers make vectors of at -O2 and at -O3. */

/* Four rows and sixteen columns. */
static void NAME_tile(const T *restrict a, long a_row, long a_column, const T *restrict b,
                      long b_row, const T *restrict row, T *restrict c, long k, long n) {
    T s0[16], s1[16], s2[16], s3[16];
    for (int q = 0; q < 16; q++) {
        s0[q] = s1[q] = s2[q] = s3[q] = row ? row[q] : 0;
    }
    for (long p = 0; p < k; p++) {
        const T *restrict x = a + p * a_column, *restrict y = b + p * b_row;
        const T x0 = x[0], x1 = x[a_row], x2 = x[2 * a_row], x3 = x[3 * a_row];
        for (int q = 0; q < 16; q++) {
            s0[q] += x0 * y[q];
            s1[q] += x1 * y[q];
            s2[q] += x2 * y[q];
            s3[q] += x3 * y[q];
        }
    }
    for (int q = 0; q < 16; q++) {
        c[q] = s0[q];
        c[n + q] = s1[q];
        c[2 * n + q] = s2[q];
        c[3 * n + q] = s3[q];
    }
}

/* One row and sixteen columns. */
static void NAME_strip(const T *restrict a, long a_column, const T *restrict b, long b_row,
                       const T *restrict row, T *restrict c, long k) {
    T s[16];
    for (int q = 0; q < 16; q++) s[q] = row ? row[q] : 0;
    for (long p = 0; p < k; p++) {
        const T x = a[p * a_column];
        const T *restrict y = b + p * b_row;
        for (int q = 0; q < 16; q++) s[q] += x * y[q];
    }
    for (int q = 0; q < 16; q++) c[q] = s[q];
}

/* One row and four columns, each of neighbours in memory, as the row is. */
static void NAME_dots(const T *restrict a, const T *restrict b, long b_column,
                      const T *restrict row, T *restrict c, long k) {
    const T *y0 = b, *y1 = y0 + b_column, *y2 = y1 + b_column, *y3 = y2 + b_column;
    const long whole = k - k % 4;
    T s0[4] = {0}, s1[4] = {0}, s2[4] = {0}, s3[4] = {0};
    for (long p = 0; p < whole; p += 4) {
        for (int q = 0; q < 4; q++) s0[q] += a[p + q] * y0[p + q];
        for (int q = 0; q < 4; q++) s1[q] += a[p + q] * y1[p + q];
        for (int q = 0; q < 4; q++) s2[q] += a[p + q] * y2[p + q];
        for (int q = 0; q < 4; q++) s3[q] += a[p + q] * y3[p + q];
    }
    for (long p = whole; p < k; p++) {
        s0[0] += a[p] * y0[p];
        s1[0] += a[p] * y1[p];
        s2[0] += a[p] * y2[p];
        s3[0] += a[p] * y3[p];
    }
    c[0] = (row ? row[0] : 0) + ((s0[0] + s0[2]) + (s0[1] + s0[3]));
    c[1] = (row ? row[1] : 0) + ((s1[0] + s1[2]) + (s1[1] + s1[3]));
    c[2] = (row ? row[2] : 0) + ((s2[0] + s2[2]) + (s2[1] + s2[3]));
    c[3] = (row ? row[3] : 0) + ((s3[0] + s3[2]) + (s3[1] + s3[3]));
}

/* Some rows of one column, four at a time. */
static void NAME_column(const T *restrict a, long a_row, long a_column, const T *restrict b,
                        long b_row, T first, T *restrict c, long rows, long k, long n) {
    const long whole = rows - rows % 4;
    for (long i = 0; i < whole; i += 4) {
        T s0 = first, s1 = first, s2 = first, s3 = first;
        for (long p = 0; p < k; p++) {
            const T *x = a + i * a_row + p * a_column;
            const T y = b[p * b_row];
            s0 += x[0] * y;
            s1 += x[a_row] * y;
            s2 += x[2 * a_row] * y;
            s3 += x[3 * a_row] * y;
        }
        c[i * n] = s0;
        c[(i + 1) * n] = s1;
        c[(i + 2) * n] = s2;
        c[(i + 3) * n] = s3;
    }
    for (long i = whole; i < rows; i++) {
        T s = first;
        for (long p = 0; p < k; p++) s += a[i * a_row + p * a_column] * b[p * b_row];
        c[i * n] = s;
    }
}

static void NAME(const T *a, long a_row, long a_column, const T *b, long b_row, long b_column,
                 const T *row, T *c, long m, long k, long n) {
    for (long i = 0; i < m;) {
        const long rows = m - i >= 4 ? 4 : 1;
        const T *x = a + i * a_row;
        T *z = c + i * n;
        for (long j = 0; j < n;) {
            /* The last sixteen columns may have some that are known: they are the same again. */
            const long first = n >= 16 && n - j < 16 ? n - 16 : j;
            const T *y = b + first * b_column, *r = row ? row + first : 0;
            if (b_column == 1 && n >= 16 && rows == 4) {
                NAME_tile(x, a_row, a_column, y, b_row, r, z + first, k, n);
                j = first + 16;
            } else if (b_column == 1 && n >= 16) {
                NAME_strip(x, a_column, y, b_row, r, z + first, k);
                j = first + 16;
            } else if (b_row == 1 && a_column == 1 && n - j >= 4 && k >= 4) {
                y = b + j * b_column;
                r = row ? row + j : 0;
                for (long h = 0; h < rows; h++) {
                    NAME_dots(x + h * a_row, y, b_column, r, z + h * n + j, k);
                }
                j += 4;
            } else {
                y = b + j * b_column;
                NAME_column(x, a_row, a_column, y, b_row, row ? row[j] : 0, z + j, rows, k, n);
                j++;
            }
        }
        i += rows;
    }
}

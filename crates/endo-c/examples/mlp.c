/* A net of dense layers as one would write it by hand: `WEIGHTS` defines the arrays. */
#include <math.h>
WEIGHTS
static void dense(const float *x, const float *kernel, const float *bias, float *y, int inputs,
                  int units, int relu) {
    for (int j = 0; j < units; j++) {
        float sum = bias[j];
        for (int i = 0; i < inputs; i++) {
            sum += x[i] * kernel[i * units + j];
        }
        y[j] = relu && sum < 0 ? 0 : sum;
    }
}

void hand_predict(const float *x, float *y, int rows) {
    for (int row = 0; row < rows; row++) {
        float first[128], second[128];
        dense(x + 64 * row, kernel_0, bias_0, first, 64, 128, 1);
        dense(first, kernel_1, bias_1, second, 128, 128, 1);
        dense(second, kernel_2, bias_2, y + 10 * row, 128, 10, 0);
    }
}

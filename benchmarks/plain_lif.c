/* A LIF neuron over T steps as one writes it by hand: tau 2, decaying input, threshold 1, hard reset to 0, detached, ATan of
 * alpha 2. It is what benchmarks/neurons.py holds the library against; `width` neurons are worked on at a time. */
#include <stdint.h>

enum { width = 256, most_steps = 64 };

void forward(const float *restrict x, float *restrict spikes, int T, int64_t count) {
  for (int64_t at = 0; at < count; at += width) {
    const int m = count - at < width ? (int)(count - at) : width;
    float v[width] = {0};
    for (int t = 0; t < T; t++) {
      for (int i = 0; i < m; i++) {
        const float u = v[i] + (x[t * count + at + i] - v[i]) * 0.5f, s = u >= 1 ? 1.0f : 0.0f;
        spikes[t * count + at + i] = s;
        v[i] = u * (1 - s);
      }
    }
  }
}

void backward(const float *restrict x, const float *restrict grad, float *restrict grad_x, int T, int64_t count) {
  for (int64_t at = 0; at < count; at += width) {
    const int m = count - at < width ? (int)(count - at) : width;
    float u[most_steps][width], v[width] = {0}, gv[width] = {0};
    for (int t = 0; t < T; t++) {
      for (int i = 0; i < m; i++) {
        u[t][i] = v[i] + (x[t * count + at + i] - v[i]) * 0.5f;
        v[i] = u[t][i] * (u[t][i] >= 1 ? 0.0f : 1.0f);
      }
    }
    for (int t = T - 1; t >= 0; t--) {
      for (int i = 0; i < m; i++) {
        const float d = u[t][i] - 1, slope = 1 / (1 + 9.8696044f * d * d);
        const float gu = grad[t * count + at + i] * slope + gv[i] * (u[t][i] >= 1 ? 0.0f : 1.0f);
        grad_x[t * count + at + i] = gu * 0.5f;
        gv[i] = gu * 0.5f;
      }
    }
  }
}

/* The neurons' passes for processors with AVX2. */
#define NEURONS(name) bs_neurons_##name##_avx2
#include "neurons_steps.h"

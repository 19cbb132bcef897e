/* The neurons' passes for processors with AVX-512. */
#define NEURONS(name) bs_neurons_##name##_avx512
#include "neurons_steps.h"

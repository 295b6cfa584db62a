// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

// Of its own: libsystemc has one too.
BENCHMARK_MAIN();

// SPDX-License-Identifier: Apache-2.0
// The fuzzing target without libFuzzer: random inputs from a seed, in every build and under its sanitizers.
// Usage: fuzz_random [INPUTS [SEED]]
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
    const unsigned long inputs = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 1000;
    const unsigned long seed = count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 1;
    std::mt19937_64 random{seed};
    for (unsigned long i = 0; i < inputs; ++i) {
        std::vector<std::uint8_t> input(77 + random() % 120);        // the choice of a state, then some code
        for (auto& byte : input) byte = static_cast<std::uint8_t>(random());
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%lu inputs from seed %lu\n", inputs, seed);
    return 0;
}

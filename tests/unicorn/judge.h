// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "unicorn/generator.h"

namespace vtsim::unicorn {

// A case with what became of it. A row of the table of deviations may change `expected` and Unicorn's memory into what the manual wants.
struct Judged {
    const Case& c;
    Outcome& expected;
    const Outcome& actual;
    Memories& memories;
    u64 ignored_flags = 0;
    bool ignore_memory = false;
};

// Something that Unicorn does otherwise than the manual has it.
struct Deviation {
    const char* what;
    const char* unicorn;
    const char* manual;                // with the title of the section
    const char* instead;               // how vtsim is checked all the same
    enum class Verdict : u8 { none, mended, accepted };
    Verdict (*apply)(Judged& j);
};
[[nodiscard]] std::span<const Deviation> deviations();

// The descriptor in GDT or LDT as vtsim's memory has it, whatever the limits are.
[[nodiscard]] u64 descriptor_of_selector(const Judged& j, u16 selector);

// What differs, one line each. Counts in `applied`, which has the size of deviations(), the rows that were used.
[[nodiscard]] std::vector<std::string> judge(Judged& j, std::span<u64> applied);

// The case for people.
[[nodiscard]] std::string describe(const Case& c);

}  // namespace vtsim::unicorn

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "vmx/tables/existence.h"

namespace vtsim::vmx {

enum class ControlWord : u8 { pin, primary, secondary, tertiary, exit, secondary_exit, entry, vm_function, count };

// Bits of the control words: control::pin::nmi_exiting and so on.
namespace control {
#define VTSIM_VMX_CONTROL(word, number, identifier, text, default1, exists) \
    namespace word {                                                        \
    inline constexpr u64 identifier = u64{1} << (number);                   \
    }
#define VTSIM_VMX_DEFAULT1(word, number)
#include "vmx/tables/controls.def"
#undef VTSIM_VMX_CONTROL
#undef VTSIM_VMX_DEFAULT1
}  // namespace control

struct Control {
    ControlWord word;
    u8 bit;
    std::string_view name;       // as the SDM writes it
    bool default1;               // reported as fixed to 1 by the MSRs that know nothing of the TRUE ones
    Existence supported;         // the setting 1
    bool reserved = false;       // a default1 bit without a name: always 1
};

inline constexpr std::array controls = {
#define VTSIM_VMX_CONTROL(word, number, identifier, text, default1, exists) Control{ControlWord::word, number, text, default1, exists},
#define VTSIM_VMX_DEFAULT1(word, number) Control{ControlWord::word, number, "(reserved; default1)", true, always, true},
#include "vmx/tables/controls.def"
#undef VTSIM_VMX_CONTROL
#undef VTSIM_VMX_DEFAULT1
};

}  // namespace vtsim::vmx

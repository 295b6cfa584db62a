// SPDX-License-Identifier: Apache-2.0
// The VMX instructions. VMfailInvalid sets CF, VMfailValid ZF: each function says whether the instruction succeeded.
#pragma once
#include "vmcs.h"

namespace guest {

inline bool vmxon(u64 region) {
    bool failed;
    asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}
inline void vmxoff() { asm volatile("vmxoff" ::: "cc", "memory"); }
inline bool vmclear(u64 vmcs) {
    bool failed;
    asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}
inline bool vmptrld(u64 vmcs) {
    bool failed;
    asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}
inline u64 vmread(Field field) {
    u64 value;
    asm volatile("vmread %1, %0" : "=rm"(value) : "r"(u64(field)) : "cc");
    return value;
}
[[noreturn]] void vmwrite_failed(Field field, u64 value);
inline void vmwrite(Field field, u64 value) {
    bool failed;
    asm volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"(u64(field)), "rm"(value) : "memory");
    if (failed) [[unlikely]] vmwrite_failed(field, value);
}

// SDM vol. 3, "Operations that Invalidate Cached Mappings".
enum class Invept : u64 { single_context = 1, global = 2 };
enum class Invvpid : u64 { individual_address = 0, single_context = 1, all_contexts = 2, single_context_keeping_globals = 3 };

inline bool invept(Invept type, u64 ept_pointer) {
    const u64 descriptor[2] = {ept_pointer, 0};
    bool failed;
    asm volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
    return !failed;
}
inline bool invvpid(Invvpid type, u16 vpid, u64 linear_address = 0) {
    const u64 descriptor[2] = {vpid, linear_address};
    bool failed;
    asm volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
    return !failed;
}

}  // namespace guest

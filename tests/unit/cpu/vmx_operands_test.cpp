// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

// Operands of VMX instructions outside 64-bit mode: SDM vol. 3, "VMREAD", "VMWRITE", "INVEPT", "INVVPID". The conformance images have the 64-bit forms.
namespace vtsim::cpu::test {
namespace {

using vtsim::test::CodeMode;
using vtsim::test::CoreBench;

constexpr u64 io_bitmap_a = 0x2000, io_bitmap_a_high = 0x2001, guest_cr3 = 0x6802, no_field = 0x2fff'fffe;
constexpr u64 garbage = 0x5555'5555'0000'0000;                           // that 64-bit mode has left behind

// In VMX root operation, with a current VMCS.
struct RootBench : CoreBench {
    static constexpr u64 vmxon_region = 0x5'0000, vmcs_region = 0x5'1000;
    explicit RootBench(CodeMode mode) : CoreBench{mode, vtsim::test::every_feature_params()} {
        s().feature_control = 5;
        s().cr0 |= arch::cr0::ne;
        s().cr4 |= arch::cr4::vmxe;
        for (const u64 region : {vmxon_region, vmcs_region}) poke<u32>(region, core.params.vmx.revision);
        EXPECT_TRUE(core.vmx->vmxon(vmxon_region).ok());
        EXPECT_TRUE(core.vmx->vmclear(vmcs_region).ok());
        EXPECT_TRUE(core.vmx->vmptrld(vmcs_region).ok());
        s().gpr[arch::rbx] = data;
    }
    u64 field(u64 encoding) { return core.vmx->vmread(encoding).value; }
    bool zf() { return (s().read_rflags() & arch::rflags::zf) != 0; }
    bool cf() { return (s().read_rflags() & arch::rflags::cf) != 0; }
};

TEST(VmwriteOf32Bits, ClearsTheUpperHalfOfWiderFields) {
    RootBench b{CodeMode::protected32};
    for (const u64 encoding : {io_bitmap_a, guest_cr3}) {
        for (const bool memory : {false, true}) {
            ASSERT_TRUE(b.core.vmx->vmwrite(encoding, 0x1111'1111'1111'1111).ok());
            b.s().gpr[arch::rcx] = garbage | encoding;
            b.s().gpr[arch::rax] = garbage | 0x9876'5000;
            b.poke<u64>(RootBench::data, 0xffff'ffff'9876'5000);
            EXPECT_EQ((memory ? b.step({0x0f, 0x79, 0x0b}) : b.step({0x0f, 0x79, 0xc8})).vector, CoreBench::none);      // VMWRITE ECX, [EBX]; VMWRITE ECX, EAX
            EXPECT_EQ(b.field(encoding), 0x9876'5000U) << std::hex << encoding;
            EXPECT_FALSE(b.zf() || b.cf());
        }
    }
    b.s().gpr[arch::rcx] = io_bitmap_a_high;
    b.s().gpr[arch::rax] = 0x12;
    EXPECT_EQ(b.step({0x0f, 0x79, 0xc8}).vector, CoreBench::none);
    EXPECT_EQ(b.field(io_bitmap_a), 0x12'9876'5000U);
    b.s().gpr[arch::rcx] = no_field;
    EXPECT_EQ(b.step({0x0f, 0x79, 0xc8}).vector, CoreBench::none);
    EXPECT_TRUE(b.zf());
    EXPECT_EQ(b.field(0x4400), 12U);
}

TEST(VmreadOf32Bits, StoresTheHalfThatTheEncodingNames) {
    RootBench b{CodeMode::protected32};
    ASSERT_TRUE(b.core.vmx->vmwrite(io_bitmap_a, 0x12'9876'5000).ok());
    ASSERT_TRUE(b.core.vmx->vmwrite(guest_cr3, 0x1111'1111'8765'4321).ok());
    struct {
        u64 encoding, value;
    } constexpr cases[] = {{io_bitmap_a, 0x9876'5000}, {io_bitmap_a_high, 0x12}, {guest_cr3, 0x8765'4321}};
    for (const auto& c : cases) {
        b.s().gpr[arch::rcx] = garbage | c.encoding;
        EXPECT_EQ(b.step({0x0f, 0x78, 0xc8}).vector, CoreBench::none);                    // VMREAD EAX, ECX
        EXPECT_EQ(b.s().gpr[arch::rax], c.value) << std::hex << c.encoding;
        b.poke<u64>(RootBench::data, ~u64{0});
        EXPECT_EQ(b.step({0x0f, 0x78, 0x0b}).vector, CoreBench::none);                    // VMREAD [EBX], ECX
        EXPECT_EQ(b.peek<u64>(RootBench::data), 0xffff'ffff'0000'0000 | c.value) << std::hex << c.encoding;
    }
    b.s().gpr[arch::rcx] = no_field;
    b.s().gpr[arch::rax] = 0x77;
    EXPECT_EQ(b.step({0x0f, 0x78, 0xc8}).vector, CoreBench::none);
    EXPECT_TRUE(b.zf());
    EXPECT_EQ(b.s().gpr[arch::rax], 0x77U);
}

TEST(VmreadOf64Bits, StoresTheWholeField) {
    RootBench b{CodeMode::long64};
    ASSERT_TRUE(b.core.vmx->vmwrite(io_bitmap_a, 0x12'9876'5000).ok());
    b.s().gpr[arch::rcx] = io_bitmap_a;
    EXPECT_EQ(b.step({0x0f, 0x78, 0x0b}).vector, CoreBench::none);
    EXPECT_EQ(b.peek<u64>(RootBench::data), 0x12'9876'5000U);
    b.s().gpr[arch::rcx] |= u64{1} << 32;                                                 // all 64 bits are the encoding
    EXPECT_EQ(b.step({0x0f, 0x78, 0x0b}).vector, CoreBench::none);
    EXPECT_TRUE(b.zf());
}

TEST(InvalidationsOf32Bits, TakeTheirTypeFromA32BitRegister) {
    RootBench b{CodeMode::protected32};
    for (const int opcode : {0x80, 0x81}) {                                               // INVEPT, INVVPID ECX, [EBX]: all contexts
        b.poke<u64>(RootBench::data, 0), b.poke<u64>(RootBench::data + 8, 0);
        b.s().gpr[arch::rcx] = garbage | 2;
        EXPECT_EQ(b.step({0x66, 0x0f, 0x38, opcode, 0x0b}).vector, CoreBench::none);
        EXPECT_FALSE(b.zf() || b.cf());
        b.s().gpr[arch::rcx] = 0x8000'0002;
        EXPECT_EQ(b.step({0x66, 0x0f, 0x38, opcode, 0x0b}).vector, CoreBench::none);
        EXPECT_TRUE(b.zf());
        EXPECT_EQ(b.field(0x4400), 28U);
    }
}

}  // namespace
}  // namespace vtsim::cpu::test

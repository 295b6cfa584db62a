// SPDX-License-Identifier: Apache-2.0
#include "rings.h"

#include "common/cpu.h"
#include "common/local_apic.h"
#include "common/way_back.h"
#include "non_root.h"

namespace guest {
namespace {

struct RingFrame {
    u64 rip, cs, rflags, rsp, ss;
};
extern "C" [[noreturn]] void enter_ring(const RingFrame& frame);

constexpr u64 rflags_fixed = 2;
constexpr u32 timer_periodic = 1u << 17, divide_by_1 = 0xb, timer_ticks = 1000000;

Tables* tables;
u64 other_root;

void leave_ring(InterruptFrame& frame) {
    running.observation->after = current_state(frame.rflags);
    take_way_back(frame);
}

// A timer that fires again and again: an early interrupt is not the last one.
void start_timer() {
    write_apic(ApicRegister::divide, divide_by_1);
    write_apic(ApicRegister::lvt_timer, timer_periodic | TIMER_VECTOR);
    write_apic(ApicRegister::initial_count, timer_ticks);
}
// What has arrived meanwhile is not left for the next snippet.
void stop_timer() {
    write_apic(ApicRegister::initial_count, 0);
    Observation ignored;
    running.observation = &ignored;
    asm volatile("sti; nop; cli" ::: "memory");
}

}  // namespace

void initialize_rings(Tables& own_tables, u64 other_cr3) {
    tables = &own_tables;
    other_root = other_cr3;
    if (has_local_apic()) enable_local_apic(has_x2apic());
    write_msr(msr_efer, read_msr(msr_efer) | efer_sce);
    write_msr(msr_star, u64{kernel_code} << 32 | u64{user_code_32} << 48);
    write_msr(msr_fmask, privileged_flags);
}

Observation run_at_ring(const Snippet& snippet, u8 ring, Resources other) {
    Observation observation;
    const bool vmx_operation = snippet.needs & NEEDS_VMX_ROOT && has_vmx();
    const World first{*tables, snippet, Resources{}, vmx_operation}, world{*tables, snippet, other, vmx_operation};
    clear_output();
    set_operands(*tables, other_root, ring);
    write_msr(msr_fs_base, fs_base_of_snippets);
    write_msr(msr_gs_base, 0);
    load(world);
    observation.before = current_state(world.value(Resource::flags));
    running = {&observation, snippet.code, snippet.bits, leave_ring};
    const bool timer = snippet.needs & NEEDS_TIMER && has_local_apic();
    if (timer) start_timer();
    wait_a_while();
    asm volatile("wbinvd");             // a snippet may be INVD, which drops what the caches have not written back
    const Selectors selectors = selectors_of(ring, snippet.bits);
    const RingFrame frame{snippet.code, selectors.code, rflags_fixed | world.value(Resource::flags), reinterpret_cast<u64>(snippet_stack_top), selectors.stack};
    call_with_way_back([](u64 at) { enter_ring(*reinterpret_cast<const RingFrame*>(at)); }, reinterpret_cast<u64>(&frame));
    asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(u32{kernel_data}));
    if (timer) stop_timer();
    load(first);
    return observation;
}

}  // namespace guest

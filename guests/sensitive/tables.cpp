// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

#include "snippets.h"

namespace guest {

namespace {

constexpr unsigned gdt_entries = 32, idt_entries = 256, ldt_bytes = 16, stub_bytes = 16;

struct Gate {
    u64 low, high;
};

}  // namespace

struct alignas(64) TablesMemory {
    u64 gdt[2][gdt_entries];
    Gate idt[2][idt_entries];
    u64 ldt[2][ldt_bytes / 8];
    u8 task[2][task_state_limit + 1];
};

namespace {

constexpr u64 code32_ring0 = 0x00cf9b000000ffff, data_ring0 = 0x00cf93000000ffff, code64_ring0 = 0x00af9b000000ffff;
constexpr u64 probe_data_form = 0x0040f30000000fff, other_probe_data_form = 0x0050f100000007ff;  // writable, limit 0xfff; read-only, limit 0x7ff, AVL
constexpr u64 probe_code_form = 0x00cf9f000000ffff;                                              // conforming
constexpr u64 ldt_type = 0x82, available_task_type = 0x89, busy = u64{2} << 40;

constexpr u64 with_dpl(u64 descriptor, u64 dpl) { return descriptor | dpl << 45; }
constexpr u64 with_base(u64 descriptor, u64 base) { return descriptor | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56; }

const u64* entry(u64 gdt, u16 selector) { return reinterpret_cast<const u64*>(gdt) + selector / 8; }

void put_system_segment(u64* gdt, u16 selector, u64 type, const void* base, u64 limit) {
    gdt[selector / 8] = with_base(limit | type << 40, reinterpret_cast<u64>(base));
    gdt[selector / 8 + 1] = reinterpret_cast<u64>(base) >> 32;
}

void copy(void* to, u64 from, u64 bytes) {
    for (u64 i = 0; i < bytes; ++i) static_cast<u8*>(to)[i] = reinterpret_cast<const u8*>(from)[i];
}

TablesMemory guest_memory, host_memory;

}  // namespace

TablesMemory& tables_of_guest() { return guest_memory; }
TablesMemory& tables_of_host() { return host_memory; }

Tables::Tables(TablesMemory& memory) : memory_(memory) {
    const DescriptorTablePointer common_gdt = read_gdtr(), common_idt = read_idtr();
    for (unsigned i = 0; i < 2; ++i) {
        copy(memory.gdt[i], common_gdt.base, common_gdt.limit + 1u);
        copy(memory.idt[i], common_idt.base, common_idt.limit + 1u);
        copy(memory.task[i], task_state_base(), task_state_limit + 1u);
    }
    for (u64* const gdt : memory.gdt) {
        put_system_segment(gdt, task_state, available_task_type, memory.task[0], task_state_limit);
        put_system_segment(gdt, other_task_state, available_task_type, memory.task[1], task_state_limit);
        put_system_segment(gdt, first_ldt, ldt_type, memory.ldt[0], ldt_bytes - 1);
        put_system_segment(gdt, other_ldt, ldt_type, memory.ldt[1], ldt_bytes - 1);
        gdt[SELECTOR_CODE32_RING0 / 8] = code32_ring0;
        gdt[SELECTOR_CODE32_RING1 / 8] = with_dpl(code32_ring0, 1);
        gdt[SELECTOR_DATA_RING1 / 8] = with_dpl(data_ring0, 1);
        gdt[SELECTOR_CODE64_RING1 / 8] = with_dpl(code64_ring0, 1);
    }
    change_probes(false);
}

DescriptorTablePointer Tables::gdt(bool other) const { return {sizeof memory_.gdt[0] - 1, reinterpret_cast<u64>(memory_.gdt[other])}; }
DescriptorTablePointer Tables::idt(bool other) const { return {sizeof memory_.idt[0] - 1, reinterpret_cast<u64>(memory_.idt[other])}; }

void Tables::change_probes(bool other) {
    for (u64* const gdt : memory_.gdt) {
        gdt[probe_data_selector / 8] = with_base(other ? other_probe_data_form : probe_data_form, reinterpret_cast<u64>(other ? other_probe_data : probe_data));
        gdt[probe_code_selector / 8] = with_base(probe_code_form, other ? LANDING_DISTANCE : 0);
    }
}

void Tables::change_service_gate(bool other) {
    for (Gate* const idt : memory_.idt) {
        // The stubs of common/interrupts.S lie one after the other, so that a stub's address tells the vector.
        const u64 stub = reinterpret_cast<u64>(interrupt_stubs) + (other ? OTHER_SERVICE_VECTOR : SERVICE_VECTOR) * stub_bytes;
        Gate& gate = idt[SERVICE_VECTOR];
        gate.low = (gate.low & 0x0000ffffffff0000) | (stub & 0xffff) | (stub >> 16 & 0xffff) << 48;
    }
}

void Tables::free_task_states() {
    for (u64* const gdt : memory_.gdt)
        for (const u16 selector : {u16(task_state), u16(other_task_state)}) gdt[selector / 8] &= ~busy;
}

void Tables::occupy_task_state(u16 selector) {
    free_task_states();
    for (u64* const gdt : memory_.gdt) gdt[selector / 8] |= busy;
}

u64 system_segment_base(u64 gdt, u16 selector) {
    const u64* const e = entry(gdt, selector);
    return (e[0] >> 16 & 0xffffff) | (e[0] >> 56) << 24 | e[1] << 32;
}
u32 system_segment_limit(u64 gdt, u16 selector) { return u32(*entry(gdt, selector) & 0xffff); }
u64 probe_descriptors(u64 gdt) { return *entry(gdt, probe_data_selector) ^ *entry(gdt, probe_code_selector) << 1; }
u64 service_gate(u64 idt) { return reinterpret_cast<const Gate*>(idt)[SERVICE_VECTOR].low; }

}  // namespace guest

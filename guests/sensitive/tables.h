// SPDX-License-Identifier: Apache-2.0
// Descriptor tables in twos: what a snippet may be told to load, and what the program changes behind its back to see whether it notices.
#pragma once
#include "common/descriptors.h"
#include "common/types.h"
#include "layout.h"

namespace guest {

enum MoreSelectors : u16 { other_task_state = SELECTOR_OTHER_TSS, first_ldt = SELECTOR_LDT, other_ldt = SELECTOR_OTHER_LDT, probe_data_selector = SELECTOR_PROBE_DATA, probe_code_selector = SELECTOR_PROBE_CODE };

struct TablesMemory;

// A processor's tables: two GDTs and two IDTs with the same content at different addresses; two LDTs and two TSSs in each GDT.
class Tables {
public:
    // From the tables of common/, which are loaded: the first entries of the GDT, the IDT and the TSS.
    explicit Tables(TablesMemory& memory);

    DescriptorTablePointer gdt(bool other) const;
    DescriptorTablePointer idt(bool other) const;
    // The descriptors of the probes: other bases, limit, type; or the first form again.
    void change_probes(bool other);
    // Where SERVICE_VECTOR leads.
    void change_service_gate(bool other);
    void free_task_states();                    // not busy, so that LTR takes them
    void occupy_task_state(u16 selector);       // as after LTR: only this one is busy

private:
    TablesMemory& memory_;
};
TablesMemory& tables_of_guest();    // also of the rings outside VMX operation
TablesMemory& tables_of_host();

// Of any GDT, as the processor would read it.
u64 system_segment_base(u64 gdt, u16 selector);
u32 system_segment_limit(u64 gdt, u16 selector);
u64 probe_descriptors(u64 gdt);     // a number that changes with their content
u64 service_gate(u64 idt);

}  // namespace guest

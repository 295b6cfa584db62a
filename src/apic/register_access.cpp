// SPDX-License-Identifier: Apache-2.0
// The two doors to the registers: the xAPIC page and the x2APIC MSRs.
#include "apic/local_apic.h"

namespace vtsim::apic {

const RegisterRow* LocalApic::row_of(u32 register_offset) const {
    return register_offset == offset::lvt_cmci && !params_.cmci ? nullptr : find_register(register_offset);
}

// The row's bits, less those of features that this APIC does not have.
u32 LocalApic::supported(const RegisterRow& row, u32 bits) const {
    if (row.offset == offset::lvt_timer && !params_.tsc_deadline) return bits & ~(1U << 18);
    if (row.offset == offset::svr && !params_.suppress_eoi_broadcast) return bits & ~static_cast<u32>(svr::SuppressEoiBroadcast::mask);
    return bits;
}

u32 LocalApic::read_register(u16 register_offset, u64 now) const {
    switch (register_offset) {
        case offset::id: return x2apic_mode() ? id_ : id_ << 24;
        case offset::version: return params_.version | (params_.cmci ? 6U : 5U) << 16 | (params_.suppress_eoi_broadcast ? 1U << 24 : 0U);
        case offset::apr: return identity().arbitration;
        case offset::ppr: return processor_priority(static_cast<u8>(registers_.read(offset::tpr)), highest_isr_);
        case offset::ldr: return logical_id();
        case offset::initial_count: return timer_.initial_count();
        case offset::current_count: return timer_.current_count(now);
        default: return registers_.read(register_offset);
    }
}

void LocalApic::write_register(const RegisterRow& row, u32 value, u64 now) {
    const u32 bits = value & supported(row, row.writable);
    switch (row.offset) {
        case offset::tpr:
            registers_.write(row.offset, bits);
            return update();
        case offset::eoi: return end_of_interrupt();
        case offset::dfr: return registers_.write(row.offset, bits | ~row.writable);
        case offset::svr: return write_svr(bits);
        case offset::esr:
            registers_.write(row.offset, errors_);
            errors_ = 0;
            return;
        case offset::icr:
            registers_.write(row.offset, bits);
            return send(bits, x2apic_mode() ? registers_.read(offset::icr_high) : registers_.read(offset::icr_high) >> 24);
        case offset::self_ipi: return self_ipi(static_cast<u8>(bits));
        case offset::initial_count: return timer_.write_initial_count(bits, now);
        case offset::divide:
            registers_.write(row.offset, bits);
            return timer_.write_divide(bits, now);
        case offset::lvt_cmci: case offset::lvt_timer: case offset::lvt_thermal: case offset::lvt_performance:
        case offset::lvt_lint0: case offset::lvt_lint1: case offset::lvt_error: return write_lvt(row, bits, now);
        default: registers_.write(row.offset, bits);
    }
}

arch::Outcome<u64> LocalApic::read_msr(u32 msr, u64 now) {
    advance(now);
    const u32 register_offset = (msr - x2apic_msr_first) << 4;
    const auto* row = x2apic_mode() ? row_of(register_offset) : nullptr;
    if (row == nullptr || !readable(row->x2apic)) return arch::general_protection();
    const u64 low = read_register(static_cast<u16>(register_offset), now);
    return row->offset == offset::icr ? low | u64{registers_.read(offset::icr_high)} << 32 : low;
}

arch::Event LocalApic::write_msr(u32 msr, u64 value, u64 now) {
    advance(now);
    const auto* row = x2apic_mode() ? row_of((msr - x2apic_msr_first) << 4) : nullptr;
    if (row == nullptr || !writable(row->x2apic)) return arch::general_protection();
    const u64 defined = row->offset == offset::icr ? u64{row->defined} | ~u64{0xffffffff} : supported(*row, row->defined);
    if ((value & ~defined) != 0) return arch::general_protection();
    if (row->offset == offset::icr) registers_.write(offset::icr_high, static_cast<u32>(value >> 32));
    write_register(*row, static_cast<u32>(value), now);
    return {};
}

// SDM vol. 3, "The Local APIC Block Diagram": all registers are accessed with aligned 32-bit loads and stores; the rest is undefined.
u64 LocalApic::read_mmio(u32 page_offset, unsigned size, u64 now) {
    advance(now);
    const u32 first = page_offset & 15;
    if (size != 4 || first != 0) ++stats_.undefined_accesses;
    const auto register_offset = static_cast<u16>(page_offset & ~15U);
    const auto* row = row_of(register_offset);
    if (row == nullptr || row->xapic == Rw::absent) {
        record_error(esr::illegal_register_address);
        return 0;
    }
    if (first >= 4 || !readable(row->xapic)) return 0;
    return (u64{read_register(register_offset, now)} >> (first * 8)) & low_bits(size * 8);
}

void LocalApic::write_mmio(u32 page_offset, unsigned size, u64 value, u64 now) {
    advance(now);
    const auto* row = row_of(page_offset & ~15U);
    if (row == nullptr || row->xapic == Rw::absent) return record_error(esr::illegal_register_address);
    if (size != 4 || (page_offset & 15) != 0) {
        ++stats_.undefined_accesses;
        return;
    }
    if (writable(row->xapic)) write_register(*row, static_cast<u32>(value), now);
}

}  // namespace vtsim::apic

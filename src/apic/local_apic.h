// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "apic/message.h"
#include "apic/params.h"
#include "apic/stats.h"
#include "apic/timer.h"
#include "apic/vector_set.h"
#include "arch/event.h"
#include "base/address.h"

namespace vtsim::apic {

// What waits for the core; the bits of LocalApic::signals().
enum Signal : u32 {
    signal_interrupt = 1,       // IRR holds a vector above the processor priority
    signal_external = 2,        // ExtINT: the 8259 wants an INTA cycle
    signal_nmi = 4,
    signal_smi = 8,
    signal_init = 16,
    signal_startup = 32,
};

// Local interrupt sources. SDM vol. 3, "Local Vector Table".
enum class LocalSource : u8 { cmci, timer, thermal, performance, lint0, lint1, error };

// Called whenever a signal appears that was not there.
struct Wake {
    void (*function)(void* self) = nullptr;
    void* self = nullptr;
};

// One logical processor's local APIC, xAPIC and x2APIC. SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)" and "Extended xAPIC (x2APIC)".
//
// Time is an argument: `now` in core cycles, never decreasing. The core calls `advance` when its cycles reach `deadline()`; every
// function that takes `now` does so itself. Functions without `now` do not depend on it.
class LocalApic {
public:
    LocalApic(const LocalApicParams& params, u32 id, bool bootstrap, u64 core_hz, unsigned maxphyaddr, stats::Group* parent, const std::string& name = "apic");

    void attach(IpiSink* sink) { sink_ = sink; }
    void attach(Wake wake) { wake_ = wake; }

    // The core's side, at every instruction boundary that matters.
    [[nodiscard]] u32 signals() const { return signals_; }
    [[nodiscard]] bool interrupt_pending() const { return (signals_ & (signal_interrupt | signal_external)) != 0; }
    // The vector to deliver: the highest of the IRR moves to the ISR; else the 8259's; else the spurious vector.
    u8 acknowledge();
    // True once for each NMI, SMI, INIT that arrived.
    bool take_nmi() { return take(signal_nmi); }
    bool take_smi() { return take(signal_smi); }
    bool take_init() { return take(signal_init); }
    std::optional<u8> take_startup();
    // The highest requested and in-service vectors (0: none), for virtual-interrupt delivery and traces.
    [[nodiscard]] u8 highest_requested() const { return highest_irr_; }
    [[nodiscard]] u8 highest_in_service() const { return highest_isr_; }

    // Timer. deadline(): core cycle at which it expires, Timer::never if it does not run.
    [[nodiscard]] u64 deadline() const { return timer_.deadline(); }
    [[nodiscard]] std::optional<u64> next_deadline() const { return deadline() == Timer::never ? std::nullopt : std::optional{deadline()}; }
    void advance(u64 now) {
        if (now >= timer_.deadline()) fire_timer(now);
    }
    [[nodiscard]] u64 tsc_deadline() const { return timer_.tsc_deadline(); }               // RDMSR 6E0H
    void write_tsc_deadline(u64 value, u64 now);                                            // WRMSR 6E0H
    void write_tsc_offset(u64 offset, u64 now);                                             // State::tsc_offset changed

    // CR8 is TPR[7:4].
    [[nodiscard]] u8 cr8() const { return static_cast<u8>(registers_.read(offset::tpr) >> 4); }
    void write_cr8(u8 priority);

    // IA32_APIC_BASE (1BH). The caller drops cached translations of the page when the value changes.
    [[nodiscard]] u64 base() const { return base_; }
    [[nodiscard]] arch::Event write_base(u64 value, u64 now);
    [[nodiscard]] bool enabled() const { return Enabled::test(base_); }
    [[nodiscard]] bool x2apic_mode() const { return enabled() && Extended::test(base_); }
    [[nodiscard]] bool software_enabled() const { return enabled() && svr::Enable::test(registers_.read(offset::svr)); }
    // The physical address is in the register page and the page is there (xAPIC mode).
    [[nodiscard]] bool covers(PhysicalAddress address) const { return address.page() == xapic_page_; }
    // The register page while it is off, in x2APIC mode or disabled: reads of the processor are all ones, and its writes are no interrupt messages.
    [[nodiscard]] bool leaves_empty(PhysicalAddress address) const { return xapic_page_ == no_page && address.page() == PhysicalAddress{base_}.page(); }

    // x2APIC MSRs 800H-8FFH: #GP as the SDM says, also outside x2APIC mode.
    [[nodiscard]] arch::Outcome<u64> read_msr(u32 msr, u64 now);
    [[nodiscard]] arch::Event write_msr(u32 msr, u64 value, u64 now);

    // The xAPIC page. Only aligned 32-bit accesses of the first four bytes of a 16-byte slot are defined; narrower reads within those bytes give
    // their part, other bytes read 0, other writes are dropped.
    [[nodiscard]] u64 read_mmio(u32 page_offset, unsigned size, u64 now);
    void write_mmio(u32 page_offset, unsigned size, u64 value, u64 now);

    // Interrupts coming in.
    bool accept(u8 vector, bool level);                 // fixed: false when refused (disabled, illegal vector)
    void deliver(const Message& message);               // a message for which addresses(message, identity()) holds
    void set_lint(unsigned pin, bool asserted);         // LINT0, LINT1; LINT0 carries the 8259's INTR
    void raise(LocalSource source);                     // thermal, performance counter, corrected machine check: an edge
    [[nodiscard]] Identity identity() const;

    void reset();                                       // power-up
    void init_reset(u64 now);                           // INIT: all but the ID and IA32_APIC_BASE

    [[nodiscard]] u32 id() const { return id_; }
    [[nodiscard]] const LocalApicStats& stats() const { return stats_; }

    using Bootstrap = Field<8>;         // bits of IA32_APIC_BASE
    using Extended = Field<10>;
    using Enabled = Field<11>;
    static constexpr u64 default_base = 0xfee00000;

private:
    using Vectors = VectorSet<RegisterFile>;
    static constexpr u64 no_page = ~u64{0};

    bool take(u32 signal) {
        const bool present = (signals_ & signal) != 0;
        signals_ &= ~signal;
        return present;
    }
    void signal(u32 bits);
    void arrive(u32 bit);
    void update();                                      // highest vectors, PPR, interrupt signal
    void reset_registers();
    void follow_base();

    [[nodiscard]] const RegisterRow* row_of(u32 register_offset) const;
    [[nodiscard]] u32 supported(const RegisterRow& row, u32 bits) const;
    [[nodiscard]] u32 read_register(u16 register_offset, u64 now) const;
    void write_register(const RegisterRow& row, u32 value, u64 now);
    void write_lvt(const RegisterRow& row, u32 value, u64 now);
    void write_svr(u32 value);
    [[nodiscard]] u32 logical_id() const;

    void end_of_interrupt();
    void send(u32 low, u32 destination);
    void count_ipi(DeliveryMode mode);
    void self_ipi(u8 vector);
    void record_error(u32 bits);
    void fire_timer(u64 now);
    void trigger(u32 entry, bool level);
    void deliver_level_lint(unsigned pin);
    void end_level_lint(unsigned pin, u8 vector);
    void update_external();

    LocalApicParams params_;
    u32 id_;
    bool bootstrap_;
    unsigned maxphyaddr_;
    u64 base_ = 0;
    u64 xapic_page_ = no_page;
    RegisterFile registers_;
    Timer timer_;
    u32 signals_ = 0;
    u32 errors_ = 0;                    // since the last write of the ESR
    u8 highest_irr_ = 0;
    u8 highest_isr_ = 0;
    u8 startup_vector_ = 0;
    bool lint_[2] = {};
    IpiSink* sink_ = nullptr;
    Wake wake_;
    LocalApicStats stats_;
};

}  // namespace vtsim::apic

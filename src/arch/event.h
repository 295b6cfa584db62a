// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "base/types.h"

namespace vtsim::arch {

// SDM vol. 3, "Exception and Interrupt Vectors".
enum class Vector : u8 {
    de = 0, db = 1, nmi = 2, bp = 3, of = 4, br = 5, ud = 6, nm = 7, df = 8, ts = 10, np = 11, ss = 12, gp = 13, pf = 14,
    mf = 16, ac = 17, mc = 18, xm = 19, ve = 20, cp = 21,
};

constexpr bool pushes_error_code(Vector vector) {
    switch (vector) {
        case Vector::df: case Vector::ts: case Vector::np: case Vector::ss: case Vector::gp: case Vector::pf: case Vector::ac: case Vector::cp: return true;
        default: return false;
    }
}

enum class EventKind : u16 {
    none = 0,
    exception,     // number = vector, code = error code; #PF: FaultDetails::linear is the new CR2
    vm_exit,       // number = basic exit reason; FaultDetails has the qualification and the addresses
    resync,        // stop before this instruction and redo it in step with the SystemC kernel
    shutdown,      // triple fault outside VMX non-root operation, or VMX abort: number = ShutdownCause
    magic,         // a magic instruction asks the run loop to do something: number = function
    restart,       // nothing happened: execute the instruction again (an iteration of REP was interrupted, a structure was mended)
};

// Why an instruction did not complete. Small enough to come back in registers; the addresses stay in FaultDetails.
struct Event {
    EventKind kind = EventKind::none;
    u16 number = 0;
    u32 code = 0;
    explicit operator bool() const { return kind != EventKind::none; }
};
static_assert(sizeof(Event) == 8);

constexpr Event exception(Vector vector, u32 error_code = 0) { return {EventKind::exception, static_cast<u16>(vector), error_code}; }
inline constexpr Event undefined_opcode = exception(Vector::ud);
constexpr Event general_protection(u32 error_code = 0) { return exception(Vector::gp, error_code); }

// A value or the event that prevented it. Sixteen bytes for values up to eight: returned in registers.
template <class T>
struct Outcome {
    T value{};
    Event event{};
    Outcome() = default;
    Outcome(T v) : value(v) {}                                      // NOLINT: a value is an outcome
    Outcome(Event e) : event(e) {}                                  // NOLINT: so is an event
    [[nodiscard]] bool ok() const { return !event; }
    explicit operator bool() const { return ok(); }
    T& operator*() { return value; }
    const T& operator*() const { return value; }
};
static_assert(sizeof(Outcome<u64>) <= 16 && std::is_trivially_copyable_v<Outcome<u64>>);

// What the last event left behind; parked in the core, as an Event is too small for it.
struct FaultDetails {
    u64 linear = 0;                 // faulting linear address (#PF, EPT violation)
    u64 guest_physical = 0;         // EPT violation and misconfiguration
    u64 qualification = 0;          // of the VM exit
    bool linear_valid = false;      // EPT violation: the qualification's bit 7
};

}  // namespace vtsim::arch

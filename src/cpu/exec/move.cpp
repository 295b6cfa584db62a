// SPDX-License-Identifier: Apache-2.0
// MOV, MOVZX, MOVSX(D), LEA, XCHG, PUSH, POP, BSWAP and what else moves data without computing.
#include "cpu/exec/build.h"
#include "cpu/exec/integer_rows.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

template <class T>
Next mov_register(Core& core, const MicroOp& op) {
    core.set_reg<T>(op.dst, core.reg<T>(op.src));
    return next(core, op);
}

template <class T>
Next mov_immediate(Core& core, const MicroOp& op) {
    core.set_reg<T>(op.dst, static_cast<T>(op.imm));
    return next(core, op);
}

template <class T, Form form, bool timed>
Next mov_load(Core& core, const MicroOp& op) {
    return load<T, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, T value) {
        c.set_reg<T>(o.dst, value);
        return next(c, o);
    });
}

template <class T, bool immediate, Form form, bool timed>
Next mov_store(Core& core, const MicroOp& op) {
    return store<T, At<form>, timed>(
        core, op, [](const Core& c, const MicroOp& o) { return immediate ? static_cast<T>(o.imm) : c.reg<T>(o.src); }, [](Core& c, const MicroOp& o) { return next(c, o); });
}

// MOV with a 64-bit absolute address (opcodes A0 to A3): the only displacement that does not fit in a micro-op; it stands in `imm`.
template <class T>
struct MovAbsolute {
    static Event run(Core& core, const MicroOp& op) {
        if ((op.flags & MicroOp::memory_is_destination) != 0) return core.write<T>(op.segment(), op.imm, core.reg<T>(op.src));
        const auto value = core.read<T>(op.segment(), op.imm);
        if (value) core.set_reg<T>(op.dst, value.value);
        return value.event;
    }
};

bool build_mov(const Decoded& decoded, Built& op) {
    for (unsigned i = 0; i < 2; ++i) {
        if (!decoded.is_memory(i)) continue;
        const i64 displacement = decoded.operand(i).mem.disp.value;
        if (decoded.operand(i).mem.disp.has_displacement && displacement != static_cast<i32>(displacement) && op.address_size() == AddressSize::a64) {
            op.imm = static_cast<u64>(displacement);
            return build_sized<MovAbsolute, Flow::next>(decoded, op);
        }
    }
    if (decoded.is_memory(0)) {
        const bool immediate = decoded.is_immediate(1);
        op.handler = by_width(op.width, [&]<class T>() -> Handler {
            return by_form(form_of(op, decoded.mode), decoded.mode.timed, [&]<Form f, bool t>() -> Handler {
                return immediate ? &mov_store<T, true, f, t> : &mov_store<T, false, f, t>;
            });
        });
    } else if (decoded.is_memory(1)) {
        op.handler = by_width(op.width, [&]<class T>() -> Handler {
            return by_form(form_of(op, decoded.mode), decoded.mode.timed, []<Form f, bool t>() -> Handler { return &mov_load<T, f, t>; });
        });
    } else {
        op.may_leave = false;
        const bool immediate = decoded.is_immediate(1);
        op.handler = by_width(op.width, [&]<class T>() -> Handler { return immediate ? &mov_immediate<T> : &mov_register<T>; });
        op.writes_flags = false;
        if (op.width >= 2) op.simple = immediate ? Simple::mov_immediate : Simple::mov_register;
    }
    return op.handler != nullptr;
}

// MOVZX, MOVSX, MOVSXD: From is the source's type (signed for sign extension), To the destination's.
template <class From, class To>
Next extend_register(Core& core, const MicroOp& op) {
    const auto value = static_cast<From>(core.reg<std::make_unsigned_t<From>>(op.src));
    core.set_reg<To>(op.dst, static_cast<To>(value));
    return next(core, op);
}

template <class From, class To, Form form, bool timed>
Next extend_load(Core& core, const MicroOp& op) {
    using Raw = std::make_unsigned_t<From>;
    return load<Raw, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, Raw value) {
        c.set_reg<To>(o.dst, static_cast<To>(static_cast<From>(value)));
        return next(c, o);
    });
}

template <class From>
Handler extend_handler(const Decoded& decoded, Built& op) {
    return by_width(op.width, [&]<class To>() -> Handler {
        if (op.memory()) return by_form(form_of(op, decoded.mode), decoded.mode.timed, []<Form f, bool t>() -> Handler { return &extend_load<From, To, f, t>; });
        op.may_leave = false;
        return &extend_register<From, To>;
    });
}

template <bool is_signed>
bool build_extend(const Decoded& decoded, Built& op) {
    switch (decoded.operand(1).size) {
        case 8: op.handler = is_signed ? extend_handler<i8>(decoded, op) : extend_handler<u8>(decoded, op); return true;
        case 16: op.handler = is_signed ? extend_handler<i16>(decoded, op) : extend_handler<u16>(decoded, op); return true;
        case 32: op.handler = is_signed ? extend_handler<i32>(decoded, op) : extend_handler<u32>(decoded, op); return true;
        default: return false;
    }
}

template <class T, Form form>
Next lea(Core& core, const MicroOp& op) {
    if constexpr (form == Form::checked) core.set_reg<T>(op.dst, static_cast<T>(core.effective_address(op)));
    else core.set_reg<T>(op.dst, static_cast<T>(address_of<form>(core, op)));
    return next(core, op);
}

bool build_lea(const Decoded& decoded, Built& op) {
    op.may_leave = false;
    op.shape = static_cast<u8>(MicroOp::Segment::set(op.shape, arch::ds));      // LEA ignores the segment
    const Form form = form_of(op, decoded.mode);
    op.handler = by_width(op.width, [&]<class T>() -> Handler { return by_form(form, false, []<Form f, bool>() -> Handler { return &lea<T, f>; }); });
    op.writes_flags = false;
    if (op.width >= 2 && form != Form::checked) op.simple = form == Form::base ? Simple::lea_base : Simple::lea_indexed;
    return op.handler != nullptr;
}

// ---- stack, 64-bit ---------------------------------------------------------------------------------------------------------

template <bool immediate, bool timed>
Next push64(Core& core, const MicroOp& op) {
    return store<u64, BelowStackPointer, timed>(
        core, op, [](const Core& c, const MicroOp& o) { return immediate ? o.imm : c.s.gpr[o.dst]; },
        [](Core& c, const MicroOp& o) {
            c.s.gpr[arch::rsp] -= 8;
            return next(c, o);
        });
}

template <bool timed>
Next pop64(Core& core, const MicroOp& op) {
    return load<u64, AtStackPointer, timed>(core, op, [](Core& c, const MicroOp& o, u64 value) {
        c.s.gpr[arch::rsp] += 8;
        c.s.gpr[o.dst] = value;                         // POP RSP: the loaded value wins
        return next(c, o);
    });
}

template <bool timed>
Next leave64(Core& core, const MicroOp& op) {
    return load<u64, AtFramePointer, timed>(core, op, [](Core& c, const MicroOp& o, u64 value) {
        c.s.gpr[arch::rsp] = c.s.gpr[arch::rbp] + 8;
        c.s.gpr[arch::rbp] = value;
        return next(c, o);
    });
}

template <class T>
struct Push {
    static Event run(Core& core, const MicroOp& op) {
        if (op.memory()) {
            const auto value = core.read<T>(op);
            return value ? core.push<T>(value.value) : value.event;
        }
        return core.push<T>((op.flags & MicroOp::has_immediate) != 0 ? static_cast<T>(op.imm) : core.reg<T>(op.dst));
    }
};

template <class T>
struct Pop {
    static Event run(Core& core, const MicroOp& op) {
        const u64 before = core.s.gpr[arch::rsp];
        const auto value = core.pop<T>();
        if (!value) return value.event;
        if (!op.memory()) {
            core.set_reg<T>(op.dst, value.value);
            return {};
        }
        // The address of POP [RSP+n] is computed with the incremented stack pointer; a fault leaves it as it was.
        const auto event = core.write<T>(op, value.value);
        if (event) core.s.gpr[arch::rsp] = before;
        return event;
    }
};

template <class T>
struct Leave {
    static Event run(Core& core, const MicroOp&) {
        const u64 frame = core.s.gpr[arch::rbp] & core.stack_mask();
        const auto value = core.read<T>(arch::ss, frame);
        if (!value) return value.event;
        core.set_stack_pointer(frame + sizeof(T));
        core.set_reg<T>(arch::rbp, value.value);
        return {};
    }
};

template <class T>
struct PushAll {
    static Event run(Core& core, const MicroOp&) {
        const u64 before = core.s.gpr[arch::rsp];
        for (u8 number = 0; number < 8; ++number) {
            const T value = number == arch::rsp ? static_cast<T>(before) : core.reg<T>(number);
            if (const auto event = core.push<T>(value)) {
                core.s.gpr[arch::rsp] = before;
                return event;
            }
        }
        return {};
    }
};

template <class T>
struct PopAll {
    static Event run(Core& core, const MicroOp&) {
        const u64 before = core.s.gpr[arch::rsp];
        T values[8];
        for (unsigned i = 8; i-- > 0;) {
            const auto value = core.pop<T>();
            if (!value) {
                core.s.gpr[arch::rsp] = before;
                return value.event;
            }
            values[i] = value.value;
        }
        for (u8 number = 0; number < 8; ++number)
            if (number != arch::rsp) core.set_reg<T>(number, values[number]);
        return {};
    }
};

// ENTER imm16, imm8. SDM vol. 2, "ENTER - Make Stack Frame for Procedure Parameters".
template <class T>
struct Enter {
    static Event run(Core& core, const MicroOp& op) {
        const u64 rsp = core.s.gpr[arch::rsp];
        const unsigned level = op.aux & 31;
        const auto fail = [&](Event event) {
            core.s.gpr[arch::rsp] = rsp;
            return event;
        };
        if (const auto event = core.push<T>(core.reg<T>(arch::rbp))) return event;
        const u64 frame = core.s.gpr[arch::rsp];
        u64 link = core.s.gpr[arch::rbp];
        for (unsigned i = 1; i < level; ++i) {
            link = (link - sizeof(T)) & core.stack_mask();
            const auto value = core.read<T>(arch::ss, link);
            if (!value) return fail(value.event);
            if (const auto event = core.push<T>(value.value)) return fail(event);
        }
        if (level > 0)
            if (const auto event = core.push<T>(static_cast<T>(frame))) return fail(event);
        const u64 top = (core.s.gpr[arch::rsp] - (op.imm & 0xffff)) & core.stack_mask();
        const auto address = core.linear(arch::ss, top, sizeof(T), true);
        if (!address) return fail(address.event);
        if (const auto event = core.probe_write(address.value, sizeof(T))) return fail(event);     // the final stack must be writable
        core.set_stack_pointer(top);
        core.set_reg<T>(arch::rbp, static_cast<T>(frame));
        return {};
    }
};

// The default operand size of stack instructions is 64 bits in 64-bit mode (16 with a 66 prefix); Zydis says so.
bool build_push(const Decoded& decoded, Built& op) {
    if (decoded.is_register(0) && ZydisRegisterGetClass(decoded.operand(0).reg.value) == ZYDIS_REGCLASS_SEGMENT) return build_push_segment(decoded, op);
    op.width = decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3;
    if (decoded.mode.code64 && op.width == 3 && !op.memory()) {
        const bool timed = decoded.mode.timed;
        if (decoded.is_immediate(0)) op.handler = timed ? &push64<true, true> : &push64<true, false>;
        else op.handler = timed ? &push64<false, true> : &push64<false, false>;
        return true;
    }
    return build_sized<Push, Flow::next>(decoded, op);
}

bool build_pop(const Decoded& decoded, Built& op) {
    if (decoded.is_register(0) && ZydisRegisterGetClass(decoded.operand(0).reg.value) == ZYDIS_REGCLASS_SEGMENT) return build_pop_segment(decoded, op);
    op.width = decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3;
    if (decoded.mode.code64 && op.width == 3 && !op.memory()) {
        op.handler = decoded.mode.timed ? &pop64<true> : &pop64<false>;
        return true;
    }
    return build_sized<Pop, Flow::next>(decoded, op);
}

bool build_leave(const Decoded& decoded, Built& op) {
    op.width = decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3;
    if (decoded.mode.code64 && op.width == 3) {
        op.handler = decoded.mode.timed ? &leave64<true> : &leave64<false>;
        return true;
    }
    return build_sized<Leave, Flow::next>(decoded, op);
}

template <template <class> class Family>
bool build_stack(const Decoded& decoded, Built& op) {
    op.width = decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3;
    if (decoded.is_immediate(1)) op.aux = static_cast<u8>(decoded.operand(1).imm.value.u);
    return build_sized<Family, Flow::next>(decoded, op);
}

// ---- exchange --------------------------------------------------------------------------------------------------------------

template <class T>
Next xchg_register(Core& core, const MicroOp& op) {
    const T a = core.reg<T>(op.dst), b = core.reg<T>(op.src);
    core.set_reg<T>(op.dst, b);
    core.set_reg<T>(op.src, a);
    return next(core, op);
}

template <class T>
struct XchgMemory {
    static Event run(Core& core, const MicroOp& op) {
        const u8 number = (op.flags & MicroOp::memory_is_destination) != 0 ? op.src : op.dst;
        const T value = core.reg<T>(number);
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        if (const auto event = slow::store_back<T>(core, value)) return event;
        core.set_reg<T>(number, old.value);
        return {};
    }
};

template <class T>
Next bswap(Core& core, const MicroOp& op) {
    if constexpr (sizeof(T) == 8) core.set_reg<T>(op.dst, __builtin_bswap64(core.reg<T>(op.dst)));
    else if constexpr (sizeof(T) == 4) core.set_reg<T>(op.dst, __builtin_bswap32(core.reg<T>(op.dst)));
    else core.set_reg<T>(op.dst, T{0});                  // 16 bits: undefined; Intel cores store zero
    return next(core, op);
}

bool build_bswap(const Decoded&, Built& op) {
    op.may_leave = false;
    op.handler = by_width(op.width, []<class T>() -> Handler { return &bswap<T>; });
    return true;
}

template <class T>
struct Movbe {
    static T swap(T value) {
        if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
        else if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
        else if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
        else return value;
    }
    static Event run(Core& core, const MicroOp& op) {
        if ((op.flags & MicroOp::memory_is_destination) != 0) return core.write<T>(op, swap(core.reg<T>(op.src)));
        const auto value = core.read<T>(op);
        if (value) core.set_reg<T>(op.dst, swap(value.value));
        return value.event;
    }
};

// CBW/CWDE/CDQE and CWD/CDQ/CQO.
template <class Half, class Full>
Next widen_accumulator(Core& core, const MicroOp& op) {
    core.set_reg<Full>(arch::rax, static_cast<Full>(static_cast<std::make_signed_t<Half>>(core.reg<Half>(arch::rax))));
    return next(core, op);
}
template <class T>
Next sign_to_data(Core& core, const MicroOp& op) {
    core.set_reg<T>(arch::rdx, static_cast<std::make_signed_t<T>>(core.reg<T>(arch::rax)) < 0 ? static_cast<T>(~T{0}) : T{0});
    return next(core, op);
}

template <Handler handler>
bool build_plain(const Decoded&, Built& op) {
    op.may_leave = false;
    op.handler = handler;
    return true;
}

Next nop(Core& core, const MicroOp& op) { return next(core, op); }

// XLATB: AL = [(E/R)BX + AL].
Event xlat(Core& core, const MicroOp& op) {
    const u64 mask = op.address_size() == AddressSize::a64 ? ~u64{0} : op.address_size() == AddressSize::a32 ? 0xffff'ffff : 0xffff;
    const auto value = core.read<u8>(op.segment(), (core.s.gpr[arch::rbx] + (core.s.gpr[arch::rax] & 0xff)) & mask);
    if (value) core.set_reg<u8>(0, value.value);
    return value.event;
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_MOV, &build_mov_any},
    {ZYDIS_MNEMONIC_MOVZX, &build_extend<false>},
    {ZYDIS_MNEMONIC_MOVSX, &build_extend<true>},
    {ZYDIS_MNEMONIC_MOVSXD, &build_extend<true>},
    {ZYDIS_MNEMONIC_LEA, &build_lea},
    {ZYDIS_MNEMONIC_PUSH, &build_push},
    {ZYDIS_MNEMONIC_POP, &build_pop},
    {ZYDIS_MNEMONIC_LEAVE, &build_leave},
    {ZYDIS_MNEMONIC_ENTER, &build_stack<Enter>},
    {ZYDIS_MNEMONIC_PUSHA, &build_stack<PushAll>},
    {ZYDIS_MNEMONIC_PUSHAD, &build_stack<PushAll>},
    {ZYDIS_MNEMONIC_POPA, &build_stack<PopAll>},
    {ZYDIS_MNEMONIC_POPAD, &build_stack<PopAll>},
    {ZYDIS_MNEMONIC_XCHG, &build_xchg},
    {ZYDIS_MNEMONIC_BSWAP, &build_bswap},
    sized_row<Movbe>(ZYDIS_MNEMONIC_MOVBE),
    {ZYDIS_MNEMONIC_CBW, &build_plain<&widen_accumulator<u8, u16>>},
    {ZYDIS_MNEMONIC_CWDE, &build_plain<&widen_accumulator<u16, u32>>},
    {ZYDIS_MNEMONIC_CDQE, &build_plain<&widen_accumulator<u32, u64>>},
    {ZYDIS_MNEMONIC_CWD, &build_plain<&sign_to_data<u16>>},
    {ZYDIS_MNEMONIC_CDQ, &build_plain<&sign_to_data<u32>>},
    {ZYDIS_MNEMONIC_CQO, &build_plain<&sign_to_data<u64>>},
    row<xlat>(ZYDIS_MNEMONIC_XLAT),
};

}  // namespace

// MOV with general registers; segment, control and debug registers are in far.cpp and system.cpp.
bool build_mov_any(const Decoded& decoded, Built& op) {
    for (unsigned i = 0; i < 2; ++i) {
        if (!decoded.is_register(i)) continue;
        switch (ZydisRegisterGetClass(decoded.operand(i).reg.value)) {
            case ZYDIS_REGCLASS_SEGMENT: return build_mov_segment(decoded, op);
            case ZYDIS_REGCLASS_CONTROL: case ZYDIS_REGCLASS_DEBUG: return build_mov_control(decoded, op);
            default: break;
        }
    }
    return build_mov(decoded, op);
}

bool build_xchg(const Decoded& decoded, Built& op) {
    if (op.memory()) return build_sized<XchgMemory, Flow::next>(decoded, op);
    op.may_leave = false;
    op.handler = by_width(op.width, []<class T>() -> Handler { return &xchg_register<T>; });
    return true;
}

bool build_nop(const Decoded& decoded, Built& op) { return build_plain<&nop>(decoded, op); }

std::span<const Row> move_rows() { return rows; }

}  // namespace vtsim::cpu::exec

// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/branch.h"

#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// ---- 64-bit code: direct handlers ------------------------------------------------------------------------------------

template <u8 code, bool timed>
Next jcc(Core& core, const MicroOp& op) {
    return branch_if<timed>(core, op, condition<code>(core));
}

template <bool timed>
Next jmp(Core& core, const MicroOp& op) {
    return follow<timed>(core, op, link_after(op, 0));
}

constexpr auto address_after = [](const Core& core, const MicroOp& op) { return core.rip_of(op) + op.length; };

template <bool timed>
Next call(Core& core, const MicroOp& op) {
    return store<u64, BelowStackPointer, timed>(core, op, address_after, [](Core& c, const MicroOp& o) __attribute__((always_inline)) {
        c.s.gpr[arch::rsp] -= 8;
        if constexpr (timed) c.predictor.call(address_after(c, o));
        return follow<timed>(c, o, link_after(o, 0));
    });
}

template <bool timed>
[[gnu::always_inline]] inline Next jump_indirect(Core& core, const MicroOp& op, u64 target) {
    if (!core.canonical(target)) [[unlikely]] return raise(core, op, arch::general_protection());
    if constexpr (timed) {
        if (core.predictor.indirect(core.rip_of(op), target)) [[unlikely]] core.model.note_mispredict();
    }
    return go_to<timed>(core, target);
}

template <bool timed>
Next jmp_register(Core& core, const MicroOp& op) {
    return jump_indirect<timed>(core, op, core.s.gpr[op.dst]);
}

template <Form form, bool timed>
Next jmp_memory(Core& core, const MicroOp& op) {
    return load<u64, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, u64 target) __attribute__((always_inline)) { return jump_indirect<timed>(c, o, target); });
}

// The return address is on the stack.
template <bool timed>
[[gnu::always_inline]] inline Next enter_called(Core& core, const MicroOp& op, u64 target) {
    core.s.gpr[arch::rsp] -= 8;
    if constexpr (timed) {
        core.predictor.call(address_after(core, op));
        if (core.predictor.indirect(core.rip_of(op), target)) [[unlikely]] core.model.note_mispredict();
    }
    return go_to<timed>(core, target);
}

template <bool timed>
[[gnu::noinline]] Next call_slowly(Core& core, const MicroOp& op, u64 target) {
    const u64 linear = core.s.gpr[arch::rsp] - 8, address = address_after(core, op);
    u8* place = timed ? slow::find_timed(core, op, linear, sizeof address, true) : nullptr;
    if (place != nullptr) __builtin_memcpy(place, &address, sizeof address);
    else if (const auto event = slow::store<u64>(core, op, linear, address)) return raise(core, op, event);
    return enter_called<timed>(core, op, target);
}

template <bool timed>
[[gnu::always_inline]] inline Next call_to(Core& core, const MicroOp& op, u64 target) {
    if (!core.canonical(target)) [[unlikely]] return raise(core, op, arch::general_protection());
    u8* place = find<u64, first_look(timed)>(core, op, core.s.gpr[arch::rsp] - 8, true);
    if (place == nullptr) [[unlikely]] return call_slowly<timed>(core, op, target);
    const u64 address = address_after(core, op);
    __builtin_memcpy(place, &address, sizeof address);
    return enter_called<timed>(core, op, target);
}

template <bool timed>
Next call_register(Core& core, const MicroOp& op) {
    return call_to<timed>(core, op, core.s.gpr[op.dst]);
}

template <Form form, bool timed>
Next call_memory(Core& core, const MicroOp& op) {
    return load<u64, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, u64 target) __attribute__((always_inline)) { return call_to<timed>(c, o, target); });
}

template <bool timed>
Next ret(Core& core, const MicroOp& op) {
    return load<u64, AtStackPointer, timed>(core, op, [](Core& c, const MicroOp& o, u64 target) __attribute__((always_inline)) {
        if (!c.canonical(target)) [[unlikely]] return raise(c, o, arch::general_protection());
        c.s.gpr[arch::rsp] += 8 + o.imm;
        if constexpr (timed) {
            if (c.predictor.ret(target)) [[unlikely]] c.model.note_mispredict();
        }
        return go_to<timed>(c, target);
    });
}

// ---- all other modes: bodies that check limits and truncate -----------------------------------------------------------

// A near transfer of control in legacy and compatibility mode: EIP within CS.limit, truncated to the operand size.
Event near_transfer(Core& core, const MicroOp& op, u64 target) {
    const bool operand16 = op.width == 1;
    const u64 rip = core.code64() ? target : target & (operand16 ? 0xffff : 0xffff'ffff);
    if (!core.code64() && rip > core.s.segment[arch::cs].limit) return arch::general_protection();
    if (core.code64() && !core.canonical(rip)) return arch::general_protection();
    core.s.rip = rip;
    return {};
}

bool holds(const Core& core, unsigned code) {
    bool result = false;
    [&]<std::size_t... c>(std::index_sequence<c...>) { ((code == c ? void(result = condition<static_cast<u8>(c)>(core)) : void()), ...); }(std::make_index_sequence<16>{});
    return result;
}

Event body_jcc(Core& core, const MicroOp& op) {
    if (!holds(core, op.aux)) return {};
    return near_transfer(core, op, core.s.rip + op.imm);
}

Event body_jmp(Core& core, const MicroOp& op) { return near_transfer(core, op, core.s.rip + op.imm); }

arch::Outcome<u64> target_operand(Core& core, const MicroOp& op) {
    if (!op.memory()) return core.reg_sized(op.dst, op.width);
    if (op.width == 1) {
        const auto value = core.read<u16>(op);
        return value ? arch::Outcome<u64>{value.value} : arch::Outcome<u64>{value.event};
    }
    const auto value = core.read<u32>(op);
    return value ? arch::Outcome<u64>{value.value} : arch::Outcome<u64>{value.event};
}

Event body_jmp_indirect(Core& core, const MicroOp& op) {
    const auto target = target_operand(core, op);
    if (!target) return target.event;
    return near_transfer(core, op, target.value);
}

Event call_legacy(Core& core, const MicroOp& op, u64 target) {
    const u64 return_address = core.s.rip;
    const u64 old_rsp = core.s.gpr[arch::rsp];
    if (const auto event = op.width == 1 ? core.push(static_cast<u16>(return_address)) : core.push(static_cast<u32>(return_address))) return event;
    const auto event = near_transfer(core, op, target);
    if (event) core.s.gpr[arch::rsp] = old_rsp;
    return event;
}

Event body_call(Core& core, const MicroOp& op) { return call_legacy(core, op, core.s.rip + op.imm); }

Event body_call_indirect(Core& core, const MicroOp& op) {
    const auto target = target_operand(core, op);
    if (!target) return target.event;
    return call_legacy(core, op, target.value);
}

Event body_ret(Core& core, const MicroOp& op) {
    const u64 old_rsp = core.s.gpr[arch::rsp];
    u64 target;
    if (op.width == 1) {
        const auto popped = core.pop<u16>();
        if (!popped) return popped.event;
        target = popped.value;
    } else {
        const auto popped = core.pop<u32>();
        if (!popped) return popped.event;
        target = popped.value;
    }
    if (const auto event = near_transfer(core, op, target)) {
        core.s.gpr[arch::rsp] = old_rsp;
        return event;
    }
    core.set_stack_pointer(core.s.gpr[arch::rsp] + op.imm);
    return {};
}

// LOOP, LOOPE, LOOPNE, JCXZ, JECXZ, JRCXZ: the count register has the address size; flags stay.
enum class LoopKind : u8 { loop, loope, loopne, jcxz };
template <LoopKind kind>
Event body_loop(Core& core, const MicroOp& op) {
    const u64 mask = op.address_size() == AddressSize::a64 ? ~u64{0} : op.address_size() == AddressSize::a32 ? 0xffff'ffff : 0xffff;
    u64 count = core.s.gpr[arch::rcx] & mask;
    if constexpr (kind == LoopKind::jcxz) {
        if (count != 0) return {};
        return near_transfer(core, op, core.s.rip + op.imm);
    } else {
        count = (count - 1) & mask;
        const bool zero = core.s.lazy.zero(core.s.rflags);
        const bool taken = count != 0 && (kind == LoopKind::loop || (kind == LoopKind::loope) == zero);
        if (taken)
            if (const auto event = near_transfer(core, op, core.s.rip + op.imm)) return event;
        if (mask == 0xffff'ffff) core.s.gpr[arch::rcx] = count;           // a 32-bit write clears the upper half
        else core.s.gpr[arch::rcx] = (core.s.gpr[arch::rcx] & ~mask) | count;
        return {};
    }
}

// ---- SETcc, CMOVcc -----------------------------------------------------------------------------------------------------

template <u8 code>
Next setcc_register(Core& core, const MicroOp& op) {
    core.set_reg<u8>(op.dst, condition<code>(core) ? 1 : 0);
    return next(core, op);
}

Event setcc_memory(Core& core, const MicroOp& op) { return core.write<u8>(op, holds(core, op.aux) ? 1 : 0); }

template <u8 code, class T>
Next cmov_register(Core& core, const MicroOp& op) {
    // The 32-bit form clears the upper half even when the condition does not hold.
    const T chosen = condition<code>(core) ? core.reg<T>(op.src) : core.reg<T>(op.dst);
    core.set_reg<T>(op.dst, chosen);
    return next(core, op);
}

template <class T>
struct CmovMemory {
    static Event run(Core& core, const MicroOp& op) {
        const auto value = core.read<T>(op);                              // read even when it is not used
        if (!value) return value.event;
        core.set_reg<T>(op.dst, holds(core, op.aux) ? value.value : core.reg<T>(op.dst));
        return {};
    }
};

// ---- rows ----------------------------------------------------------------------------------------------------------------

template <u8 code>
bool build_jcc(const Decoded& decoded, Built& op) {
    op.aux = code;
    op.may_leave = false;
    if (decoded.mode.code64) op.handler = decoded.mode.timed ? &jcc<code, true> : &jcc<code, false>;
    else op.handler = &complex_end<body_jcc>;
    return true;
}

bool build_jmp(const Decoded& decoded, Built& op) {
    if (decoded.instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return build_far_transfer(decoded, op);
    if (!decoded.mode.code64) {
        op.handler = decoded.is_immediate(0) ? &complex_end<body_jmp> : &complex_end<body_jmp_indirect>;
        return true;
    }
    const bool timed = decoded.mode.timed;
    if (decoded.is_immediate(0)) {
        op.handler = timed ? &jmp<true> : &jmp<false>;
        op.may_leave = false;
    } else if (op.memory()) {
        op.handler = by_form(form_of(op, decoded.mode), timed, []<Form f, bool t>() -> Handler { return &jmp_memory<f, t>; });
    } else {
        op.handler = timed ? &jmp_register<true> : &jmp_register<false>;
    }
    return true;
}

bool build_call(const Decoded& decoded, Built& op) {
    if (decoded.instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return build_far_transfer(decoded, op);
    if (!decoded.mode.code64) {
        op.handler = decoded.is_immediate(0) ? &complex_end<body_call> : &complex_end<body_call_indirect>;
        return true;
    }
    const bool timed = decoded.mode.timed;
    if (decoded.is_immediate(0)) op.handler = timed ? &call<true> : &call<false>;
    else if (op.memory()) op.handler = by_form(form_of(op, decoded.mode), timed, []<Form f, bool t>() -> Handler { return &call_memory<f, t>; });
    else op.handler = timed ? &call_register<true> : &call_register<false>;
    return true;
}

bool build_ret(const Decoded& decoded, Built& op) {
    if (decoded.instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return build_far_transfer(decoded, op);
    op.imm &= 0xffff;
    if (decoded.mode.code64) op.handler = decoded.mode.timed ? &ret<true> : &ret<false>;
    else op.handler = &complex_end<body_ret>;
    return true;
}

template <u8 code>
bool build_setcc(const Decoded& decoded, Built& op) {
    op.aux = code;
    if (decoded.is_memory(0)) {
        op.handler = &complex<setcc_memory>;
    } else {
        op.handler = &setcc_register<code>;
        op.may_leave = false;
    }
    return true;
}

template <u8 code>
bool build_cmov(const Decoded& decoded, Built& op) {
    op.aux = code;
    if (op.memory()) return build_sized<CmovMemory, Flow::next>(decoded, op);
    op.may_leave = false;
    op.handler = by_width(op.width, []<class T>() -> Handler { return &cmov_register<code, T>; });
    return true;
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_JO, &build_jcc<0>, Flow::branch},   {ZYDIS_MNEMONIC_JNO, &build_jcc<1>, Flow::branch},
    {ZYDIS_MNEMONIC_JB, &build_jcc<2>, Flow::branch},   {ZYDIS_MNEMONIC_JNB, &build_jcc<3>, Flow::branch},
    {ZYDIS_MNEMONIC_JZ, &build_jcc<4>, Flow::branch},   {ZYDIS_MNEMONIC_JNZ, &build_jcc<5>, Flow::branch},
    {ZYDIS_MNEMONIC_JBE, &build_jcc<6>, Flow::branch},  {ZYDIS_MNEMONIC_JNBE, &build_jcc<7>, Flow::branch},
    {ZYDIS_MNEMONIC_JS, &build_jcc<8>, Flow::branch},   {ZYDIS_MNEMONIC_JNS, &build_jcc<9>, Flow::branch},
    {ZYDIS_MNEMONIC_JP, &build_jcc<10>, Flow::branch},  {ZYDIS_MNEMONIC_JNP, &build_jcc<11>, Flow::branch},
    {ZYDIS_MNEMONIC_JL, &build_jcc<12>, Flow::branch},  {ZYDIS_MNEMONIC_JNL, &build_jcc<13>, Flow::branch},
    {ZYDIS_MNEMONIC_JLE, &build_jcc<14>, Flow::branch}, {ZYDIS_MNEMONIC_JNLE, &build_jcc<15>, Flow::branch},
    {ZYDIS_MNEMONIC_JMP, &build_jmp, Flow::branch},     {ZYDIS_MNEMONIC_CALL, &build_call, Flow::branch},
    {ZYDIS_MNEMONIC_RET, &build_ret, Flow::branch},
    row<body_loop<LoopKind::loop>, Flow::ends>(ZYDIS_MNEMONIC_LOOP),     row<body_loop<LoopKind::loope>, Flow::ends>(ZYDIS_MNEMONIC_LOOPE),
    row<body_loop<LoopKind::loopne>, Flow::ends>(ZYDIS_MNEMONIC_LOOPNE), row<body_loop<LoopKind::jcxz>, Flow::ends>(ZYDIS_MNEMONIC_JCXZ),
    row<body_loop<LoopKind::jcxz>, Flow::ends>(ZYDIS_MNEMONIC_JECXZ),    row<body_loop<LoopKind::jcxz>, Flow::ends>(ZYDIS_MNEMONIC_JRCXZ),
    {ZYDIS_MNEMONIC_SETO, &build_setcc<0>},   {ZYDIS_MNEMONIC_SETNO, &build_setcc<1>},  {ZYDIS_MNEMONIC_SETB, &build_setcc<2>},
    {ZYDIS_MNEMONIC_SETNB, &build_setcc<3>},  {ZYDIS_MNEMONIC_SETZ, &build_setcc<4>},   {ZYDIS_MNEMONIC_SETNZ, &build_setcc<5>},
    {ZYDIS_MNEMONIC_SETBE, &build_setcc<6>},  {ZYDIS_MNEMONIC_SETNBE, &build_setcc<7>}, {ZYDIS_MNEMONIC_SETS, &build_setcc<8>},
    {ZYDIS_MNEMONIC_SETNS, &build_setcc<9>},  {ZYDIS_MNEMONIC_SETP, &build_setcc<10>},  {ZYDIS_MNEMONIC_SETNP, &build_setcc<11>},
    {ZYDIS_MNEMONIC_SETL, &build_setcc<12>},  {ZYDIS_MNEMONIC_SETNL, &build_setcc<13>}, {ZYDIS_MNEMONIC_SETLE, &build_setcc<14>},
    {ZYDIS_MNEMONIC_SETNLE, &build_setcc<15>},
    {ZYDIS_MNEMONIC_CMOVO, &build_cmov<0>},   {ZYDIS_MNEMONIC_CMOVNO, &build_cmov<1>},  {ZYDIS_MNEMONIC_CMOVB, &build_cmov<2>},
    {ZYDIS_MNEMONIC_CMOVNB, &build_cmov<3>},  {ZYDIS_MNEMONIC_CMOVZ, &build_cmov<4>},   {ZYDIS_MNEMONIC_CMOVNZ, &build_cmov<5>},
    {ZYDIS_MNEMONIC_CMOVBE, &build_cmov<6>},  {ZYDIS_MNEMONIC_CMOVNBE, &build_cmov<7>}, {ZYDIS_MNEMONIC_CMOVS, &build_cmov<8>},
    {ZYDIS_MNEMONIC_CMOVNS, &build_cmov<9>},  {ZYDIS_MNEMONIC_CMOVP, &build_cmov<10>},  {ZYDIS_MNEMONIC_CMOVNP, &build_cmov<11>},
    {ZYDIS_MNEMONIC_CMOVL, &build_cmov<12>},  {ZYDIS_MNEMONIC_CMOVNL, &build_cmov<13>}, {ZYDIS_MNEMONIC_CMOVLE, &build_cmov<14>},
    {ZYDIS_MNEMONIC_CMOVNLE, &build_cmov<15>},
};

}  // namespace

std::span<const Row> branch_rows() { return rows; }

}  // namespace vtsim::cpu::exec

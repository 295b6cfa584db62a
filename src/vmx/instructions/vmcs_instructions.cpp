// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmx.h"

// VMXON to INVVPID behind vet(). SDM vol. 3, "VMX Instruction Reference".
namespace vtsim::vmx {

// VMfail: VMfailValid stores the number where there is a current VMCS, else it is VMfailInvalid.
VmxResult Vmx::fail(InstructionError error) {
    if (current_ == nullptr) return {VmxResult::Kind::fail_invalid, 0};
    current_->data.instruction_error = static_cast<u8>(error);
    return {VmxResult::Kind::fail_valid, static_cast<u8>(error)};
}

VmxResult Vmx::vmxon(u64 pointer) {
    if (in_vmx_operation()) return fail(InstructionError::vmxon_in_root);
    if (!capabilities.page(pointer) || memory_.read<u32>(PhysicalAddress{pointer}) != capabilities.params.revision) return {VmxResult::Kind::fail_invalid, 0};
    vmxon_pointer_ = pointer;
    current_ = nullptr;
    return {};
}

VmxResult Vmx::vmxoff() {
    cache_.evict_all();
    current_ = nullptr;
    vmxon_pointer_ = Vmcs::no_address;
    return {};
}

// The dual-monitor treatment of SMM, which alone gives VMCALL a use in root operation, does not exist.
VmxResult Vmx::vmcall() { return fail(InstructionError::vmcall_in_root); }

VmxResult Vmx::vmclear(u64 pointer) {
    if (!capabilities.page(pointer)) return fail(InstructionError::vmclear_invalid_address);
    if (pointer == vmxon_pointer_) return fail(InstructionError::vmclear_vmxon_pointer);
    if (current_ != nullptr && current_->address == pointer) current_ = nullptr;
    cache_.evict(pointer);
    memory_.write<u32>(PhysicalAddress{pointer + region::launch_state_offset}, static_cast<u32>(LaunchState::clear));
    return {};
}

VmxResult Vmx::vmptrld(u64 pointer) {
    if (!capabilities.page(pointer)) return fail(InstructionError::vmptrld_invalid_address);
    if (pointer == vmxon_pointer_) return fail(InstructionError::vmptrld_vmxon_pointer);
    const u32 header = memory_.read<u32>(PhysicalAddress{pointer});
    if ((header & ~region::shadow_bit) != capabilities.params.revision || ((header & region::shadow_bit) != 0 && !capabilities.params.vmcs_shadowing))
        return fail(InstructionError::vmptrld_incorrect_revision);
    current_ = &cache_.load(pointer);
    return {};
}

ReadResult Vmx::vmread(u64 encoding) {
    ++stats.vmreads;
    if (current_ == nullptr) return {{VmxResult::Kind::fail_invalid, 0}};
    const unsigned row = field_row(encoding);
    if (row == no_field || !capabilities.has_field(row)) return {fail(InstructionError::unsupported_component)};
    const u64 value = current_->data.at(row);
    return {{}, (encoding & 1) != 0 ? value >> 32 : value};
}

VmxResult Vmx::vmwrite(u64 encoding, u64 value) {
    ++stats.vmwrites;
    if (current_ == nullptr) return {VmxResult::Kind::fail_invalid, 0};
    const unsigned row = field_row(encoding);
    if (row == no_field || !capabilities.has_field(row)) return fail(InstructionError::unsupported_component);
    const auto& field = vmcs_fields[row];
    if (field.area() == FieldArea::exit_information && !capabilities.params.vmwrite_exit_information) return fail(InstructionError::read_only_component);
    u64& slot = current_->data.at(row);
    const u64 written = (encoding & 1) != 0 ? (slot & 0xffff'ffff) | value << 32 : value & field.mask();
    if (slot != written) current_->due |= field.group;
    slot = written;
    return {};
}

Invalidation Vmx::invept(u64 type, u64 eptp) {
    constexpr u64 single_context = 1, all_context = 2;
    if (type != all_context && !(type == single_context && capabilities.eptp_valid(eptp))) return {.result = fail(InstructionError::invalid_invalidation_operand)};
    return {.result = {}, .type = static_cast<unsigned>(type), .eptp = eptp};
}

Invalidation Vmx::invvpid(u64 type, u64 vpid, u64 linear) {
    constexpr u64 individual_address = 0, all_context = 2, last_type = 3;
    if (type > last_type || (vpid >> 16) != 0 || (type != all_context && vpid == 0) || (type == individual_address && !capabilities.canonical(linear)))
        return {.result = fail(InstructionError::invalid_invalidation_operand)};
    return {.result = {}, .type = static_cast<unsigned>(type), .vpid = static_cast<u16>(vpid), .linear = linear};
}

}  // namespace vtsim::vmx

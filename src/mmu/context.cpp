// SPDX-License-Identifier: Apache-2.0
#include "mmu/context.h"

#include "mmu/walker.h"

namespace vtsim::mmu {

u16 EptRoots::find(u64 eptp) const {
    const auto found = numbers_.find(eptp & address_mask);
    return found == numbers_.end() ? u16{0} : found->second;
}

u16 EptRoots::remember(u64 root) {
    const auto [row, added] = numbers_.try_emplace(root, static_cast<u16>(numbers_.size() + 1));
    last_root_ = root;
    last_number_ = row->second;
    return row->second;
}

void EptRoots::clear() {
    numbers_.clear();
    last_number_ = 0;
}

ContextKey key_of(const arch::PagingContext& context, u16 root) {
    const unsigned mode = static_cast<unsigned>(context.mode) | (context.ept && context.mode_based_execute ? mode_based_execute_mode : 0);
    const unsigned pcid = context.pcid_enabled ? static_cast<unsigned>(context.cr3 & 0xfff) : 0;
    ContextKey key{tlb::Space::of(context.vpid, pcid, mode, root), 0};
    const bool rules[] = {context.write_protect, context.page_size_extension, context.no_execute,      context.smep, context.smap,
                          context.global_pages,  context.protection_keys,     context.ept,             context.guest,
                          context.ept && Eptp::AccessedDirty::test(context.eptp)};
    for (const bool rule : rules) key.rules = key.rules << 1 | (rule ? 1 : 0);
    if (context.protection_keys) key.rules |= u64{context.pkru} << 32;
    return key;
}

}  // namespace vtsim::mmu

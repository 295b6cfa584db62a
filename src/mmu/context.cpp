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
    key.rules = u64{context.write_protect} | u64{context.page_size_extension} << 1 | u64{context.no_execute} << 2 | u64{context.smep} << 3 | u64{context.smap} << 4 |
                u64{context.global_pages} << 5 | u64{context.protection_keys} << 6 | u64{context.ept} << 7 | u64{context.guest} << 8 |
                u64{context.ept && Eptp::AccessedDirty::test(context.eptp)} << 9;
    if (context.protection_keys) key.rules |= u64{context.pkru} << 32;
    return key;
}

}  // namespace vtsim::mmu

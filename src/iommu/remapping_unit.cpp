// SPDX-License-Identifier: Apache-2.0
#include "iommu/remapping_unit.h"

#include "iommu/register_fields.h"

namespace vtsim::iommu {

namespace {

const RemappingUnitParams& checked(const RemappingUnitParams& params) {
    params.validate();
    return params;
}

}  // namespace

RemappingUnit::RemappingUnit(const RemappingUnitParams& params, TablePort tables, stats::Group* parent, const std::string& name)
    : params_{checked(params)},
      format_{params.host_address_width, params.large_2m, params.large_1g, params.snoop_control},
      tables_{tables},
      stats_{parent, name},
      ver_{registers_, 0x000, "VER", Rw::read_only, {.reset = 0x10}},
      cap_{registers_, 0x008, "CAP", Rw::read_only, {.reset = capabilities()}},
      ecap_{registers_, 0x010, "ECAP", Rw::read_only, {.reset = extended_capabilities()}},
      gcmd_{registers_, 0x018, "GCMD", Rw::write_only, {.writable = 0, .hook = hook<&RemappingUnit::on_gcmd>(this)}},
      gsts_{registers_, 0x01c, "GSTS", Rw::read_only},
      rtaddr_{registers_, 0x020, "RTADDR", Rw::read_write, {.writable = ~page_offset_mask}},
      ccmd_{registers_, 0x028, "CCMD", Rw::read_write,
            {.writable = ccmd::Icc::mask | ccmd::Cirg::mask | ccmd::Fm::mask | ccmd::Sid::mask | ccmd::Did::mask, .hook = hook<&RemappingUnit::on_ccmd>(this)}},
      iva_{registers_, iotlb_registers, "IVA", Rw::write_only, {.writable = iva::Address::mask | iva::Ih::mask | iva::Am::mask}},
      iotlb_register_{registers_, iotlb_registers + 8, "IOTLB", Rw::read_write,
                      {.writable = iotlb::Ivt::mask | iotlb::Iirg::mask | Field<49, 48>::mask | iotlb::Did::mask, .hook = hook<&RemappingUnit::on_iotlb>(this)}},
      fault_log_{registers_, fault_records, params.fault_records, stats_.fault_log},
      context_cache_{params.context_cache, stats_.context_cache},
      iotlb_{params.iotlb, stats_.iotlb},
      structure_cache_{params.paging_structure_cache, stats_.paging_structure_cache} {}

u64 RemappingUnit::capabilities() const {
    u64 raw = cap::Drd::mask | cap::Dwd::mask | cap::Zlr::mask;
    raw = cap::Nd::set(raw, 6);                         // 16-bit domain-ids
    raw = cap::Sagaw::set(raw, (params_.agaw_39 ? 2U : 0U) | (params_.agaw_48 ? 4U : 0U));
    raw = cap::Mgaw::set(raw, params_.guest_address_width - 1);
    raw = cap::Fro::set(raw, fault_records / 16);
    raw = cap::Sllps::set(raw, (params_.large_2m ? 1U : 0U) | (params_.large_1g ? 2U : 0U));
    raw = cap::Psi::set(raw, params_.page_selective ? 1 : 0);
    raw = cap::Nfr::set(raw, params_.fault_records - 1);
    return cap::Mamv::set(raw, params_.page_selective ? params_.max_address_mask : 0);
}

u64 RemappingUnit::extended_capabilities() const {
    u64 raw = ecap::Iro::set(0, iotlb_registers / 16);
    raw = ecap::C::set(raw, params_.coherent ? 1 : 0);
    raw = ecap::Pt::set(raw, params_.pass_through ? 1 : 0);
    return ecap::Sc::set(raw, params_.snoop_control ? 1 : 0);
}

void RemappingUnit::reset() {
    registers_.reset();
    fault_log_.reset();
    context_cache_.invalidate_all();
    iotlb_.invalidate_all();
    structure_cache_.invalidate_all();
    root_ = {};
}

// VT-d, "Global Command Register". Commands of absent features are ignored, as their status bits then say.
void RemappingUnit::on_gcmd(u64 command) {
    if (gcmd::Srtp::test(command)) {
        root_ = PhysicalAddress{rtaddr_.value()};
        gsts_.set<gcmd::Srtp>(1);
    }
    gsts_.set<gcmd::Te>(gcmd::Te::get(command));
}

void RemappingUnit::on_ccmd(u64) {
    if (ccmd_.get<ccmd::Icc>() == 0) return;
    ccmd_.set<ccmd::Caig>(static_cast<u64>(invalidate_contexts()));
    ccmd_.set<ccmd::Icc>(0);
}

// VT-d, "Context-Cache Invalidation". Returns the granularity performed; none: the request was incorrect.
Granularity RemappingUnit::invalidate_contexts() {
    const auto wanted = static_cast<Granularity>(ccmd_.get<ccmd::Cirg>());
    const auto domain = static_cast<u16>(ccmd_.get<ccmd::Did>());
    auto& counts = stats_.invalidations;
    switch (wanted) {
        case Granularity::global:
            ++counts.context_global;
            context_cache_.invalidate_all();
            break;
        case Granularity::domain:
            ++counts.context_domain;
            context_cache_.invalidate_domain(domain);
            break;
        case Granularity::selective:
            ++counts.context_device;
            context_cache_.invalidate_device(domain, static_cast<u16>(ccmd_.get<ccmd::Sid>()), static_cast<unsigned>(ccmd_.get<ccmd::Fm>()));
            break;
        default: ++counts.incorrect;
    }
    return wanted;
}

void RemappingUnit::on_iotlb(u64) {
    if (iotlb_register_.get<iotlb::Ivt>() == 0) return;
    iotlb_register_.set<iotlb::Iaig>(static_cast<u64>(invalidate_translations()));
    iotlb_register_.set<iotlb::Ivt>(0);
}

// VT-d, "IOTLB Invalidation": the paging-structure cache goes with the IOTLB, but for a page-selective invalidation with the hint that
// only leaves changed (IH).
Granularity RemappingUnit::invalidate_translations() {
    auto wanted = static_cast<Granularity>(iotlb_register_.get<iotlb::Iirg>());
    const auto domain = static_cast<u16>(iotlb_register_.get<iotlb::Did>());
    const auto mask = static_cast<unsigned>(iva_.get<iva::Am>());
    auto& counts = stats_.invalidations;
    if (wanted == Granularity::selective && !params_.page_selective) wanted = Granularity::domain;
    if (wanted == Granularity::selective && mask > params_.max_address_mask) wanted = Granularity::none;
    switch (wanted) {
        case Granularity::global:
            ++counts.iotlb_global;
            iotlb_.invalidate_all();
            structure_cache_.invalidate_all();
            break;
        case Granularity::domain:
            ++counts.iotlb_domain;
            iotlb_.invalidate_domain(domain);
            structure_cache_.invalidate_domain(domain);
            break;
        case Granularity::selective: {
            ++counts.iotlb_page;
            const u64 span = low_bits(12 + mask);
            const u64 first = iva_.value() & ~page_offset_mask & ~span;
            iotlb_.invalidate_pages(domain, first, first | span);
            if (iva_.get<iva::Ih>() == 0) structure_cache_.invalidate_pages(domain, first, first | span);
            break;
        }
        default: ++counts.incorrect;
    }
    return wanted;
}

}  // namespace vtsim::iommu

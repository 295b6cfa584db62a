// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "iommu/cache/caches.h"
#include "iommu/fault_log.h"
#include "iommu/params.h"
#include "iommu/register_map.h"
#include "iommu/request.h"
#include "iommu/stats.h"
#include "iommu/tables/second_level.h"

namespace vtsim::iommu {

// A DMA remapping unit in legacy mode. VT-d, "DMA Remapping" and "Register Descriptions".
// CAP and ECAP say what it has not: queued invalidation, interrupt remapping, device-TLBs, protected memory regions, advanced fault logging.
class RemappingUnit {
public:
    RemappingUnit(const RemappingUnitParams& params, TablePort tables, stats::Group* parent, const std::string& name = "iommu");

    void attach(MessagePort port) { fault_log_.attach(port); }

    // A request of a device: where it goes, or why it does not (and then the fault is recorded).
    [[nodiscard]] DmaResult translate(const DmaRequest& request);

    // The 4-KByte register page. 32- and 64-bit accesses, naturally aligned; all others read 0 and write nothing.
    [[nodiscard]] u64 read_mmio(u32 offset, unsigned size) const { return registers_.read(offset, size); }
    void write_mmio(u32 offset, unsigned size, u64 value) { registers_.write(offset, size, value); }
    [[nodiscard]] const RegisterMap& registers() const { return registers_; }

    void reset();
    [[nodiscard]] bool remaps() const { return gsts_.get<gcmd::Te>() != 0; }
    [[nodiscard]] const RemappingStats& stats() const { return stats_; }

    static constexpr u32 iotlb_registers = 0x0f0;       // ECAP.IRO and CAP.FRO: anywhere in the page that is free
    static constexpr u32 fault_records = 0x220;

private:
    static constexpr bool is_interrupt_address(u64 address) { return (address >> 20) == 0xfee; }

    [[nodiscard]] u64 capabilities() const;
    [[nodiscard]] u64 extended_capabilities() const;
    void on_gcmd(u64 command);
    void on_ccmd(u64);
    void on_iotlb(u64);
    [[nodiscard]] Granularity invalidate_contexts();
    [[nodiscard]] Granularity invalidate_translations();

    // Each adds its latency to cycles_.
    [[nodiscard]] FaultReason remap(const DmaRequest& request, DmaResult& result);
    [[nodiscard]] FaultReason find_context(SourceId source, ContextEntry& entry);
    [[nodiscard]] FaultReason read_context(SourceId source, ContextEntry& entry);
    [[nodiscard]] FaultReason check_context(const ContextEntry& entry, const DmaRequest& request) const;
    [[nodiscard]] FaultReason find_page(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page);
    struct WalkPort;
    [[nodiscard]] FaultReason walk(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page);
    template <class Entry>
    [[nodiscard]] bool read_pair(PhysicalAddress address, Entry& entry);
    [[nodiscard]] TableRead read(PhysicalAddress address);

    RemappingUnitParams params_;
    SecondLevelFormat format_;
    TablePort tables_;
    RemappingStats stats_;

    RegisterMap registers_;
    Reg<u32> ver_;
    Reg<u64> cap_;
    Reg<u64> ecap_;
    Reg<u32> gcmd_;
    Reg<u32> gsts_;
    Reg<u64> rtaddr_;
    Reg<u64> ccmd_;
    Reg<u64> iva_;
    Reg<u64> iotlb_register_;
    FaultLog fault_log_;

    ContextCache context_cache_;
    Iotlb iotlb_;
    StructureCache structure_cache_;
    PhysicalAddress root_;              // latched by SRTP: a later write of RTADDR alone has no effect
    u64 cycles_ = 0;                    // of the request being translated
    bool fault_disable_ = false;        // FPD of its context entry
};

}  // namespace vtsim::iommu

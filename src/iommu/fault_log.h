// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>

#include "iommu/register_fields.h"
#include "iommu/register_map.h"
#include "iommu/request.h"
#include "iommu/stats.h"

namespace vtsim::iommu {

// Primary fault logging and the fault event. VT-d, "Primary Fault Logging" and "Fault Events".
class FaultLog {
public:
    // `records` fault recording registers from `first_record` on.
    FaultLog(RegisterMap& map, u32 first_record, unsigned records, RemappingStats::Log& stats);
    FaultLog(const FaultLog&) = delete;
    FaultLog& operator=(const FaultLog&) = delete;

    void attach(MessagePort port) { port_ = port; }
    void record(const DmaRequest& request, FaultReason reason);
    void reset() { next_ = 0; }

private:
    struct Record {
        Record(RegisterMap& map, u32 offset, const std::string& name, Hook written);
        Reg<u64> low, high;
    };
    void on_status(u64);
    void on_control(u64);
    void on_record(u64);
    [[nodiscard]] bool pending() const { return fsts_.get<fsts::Ppf>() != 0 || fsts_.get<fsts::Pfo>() != 0; }
    void raise_event();
    void send_message();
    void settle();              // PPF follows the records; nothing pending: no interrupt pending

    RemappingStats::Log& stats_;
    Reg<u32> fsts_;
    Reg<u32> fectl_;
    Reg<u32> fedata_;
    Reg<u32> feaddr_;
    Reg<u32> feuaddr_;
    std::deque<Record> records_;
    unsigned next_ = 0;
    MessagePort port_;
};

}  // namespace vtsim::iommu

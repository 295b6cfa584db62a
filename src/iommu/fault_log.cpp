// SPDX-License-Identifier: Apache-2.0
#include "iommu/fault_log.h"

#include <algorithm>

namespace vtsim::iommu {

FaultLog::FaultLog(RegisterMap& map, u32 first_record, unsigned records, RemappingStats::Log& stats)
    : stats_{stats},
      fsts_{map, 0x034, "FSTS", Rw::read_write, {.writable = fsts::Pfo::mask, .clears = fsts::Pfo::mask, .hook = hook<&FaultLog::on_status>(this)}},
      fectl_{map, 0x038, "FECTL", Rw::read_write, {.writable = fectl::Im::mask, .reset = fectl::Im::mask, .hook = hook<&FaultLog::on_control>(this)}},
      fedata_{map, 0x03c, "FEDATA", Rw::read_write},
      feaddr_{map, 0x040, "FEADDR", Rw::read_write, {.writable = ~u64{3}}},
      feuaddr_{map, 0x044, "FEUADDR", Rw::read_write} {
    for (unsigned i = 0; i < records; ++i) records_.emplace_back(map, first_record + 16 * i, "FRCD" + std::to_string(i), hook<&FaultLog::on_record>(this));
}

FaultLog::Record::Record(RegisterMap& map, u32 offset, const std::string& name, Hook written)
    : low{map, offset, name + "_LOW", Rw::read_only},
      high{map, offset + 8, name + "_HIGH", Rw::read_write, {.writable = frcd::F::mask, .clears = frcd::F::mask, .hook = written}} {}

void FaultLog::record(const DmaRequest& request, FaultReason reason) {
    auto& [low, high] = records_[next_];
    if (fsts_.get<fsts::Pfo>() != 0 || high.get<frcd::F>() != 0) {      // no logging until software clears PFO
        ++stats_.overflowed;
        fsts_.set<fsts::Pfo>(1);
        return;
    }
    ++stats_.recorded;
    low.assign(request.address & ~page_offset_mask);
    u64 raw = frcd::F::mask;
    raw = frcd::Sid::set(raw, request.source.value);
    raw = frcd::Reason::set(raw, static_cast<u8>(reason));
    raw = frcd::At::set(raw, static_cast<u8>(request.type));
    raw = frcd::Read::set(raw, request.write ? 0 : 1);
    high.assign(raw);
    if (!pending()) {
        fsts_.set<fsts::Fri>(next_);
        fsts_.set<fsts::Ppf>(1);
        raise_event();
    }
    next_ = (next_ + 1) % static_cast<unsigned>(records_.size());
}

void FaultLog::raise_event() {
    fectl_.set<fectl::Ip>(1);
    if (fectl_.get<fectl::Im>() == 0) send_message();
}

void FaultLog::send_message() {
    fectl_.set<fectl::Ip>(0);
    ++stats_.messages;
    if (port_.write != nullptr) port_.write(port_.self, feuaddr_.value() << 32 | feaddr_.value(), static_cast<u32>(fedata_.value()));
}

void FaultLog::settle() {
    fsts_.set<fsts::Ppf>(std::ranges::any_of(records_, [](const Record& record) { return record.high.get<frcd::F>() != 0; }) ? 1 : 0);
    if (!pending()) fectl_.set<fectl::Ip>(0);
}

void FaultLog::on_status(u64) { settle(); }
void FaultLog::on_record(u64) { settle(); }

void FaultLog::on_control(u64) {
    if (fectl_.get<fectl::Im>() == 0 && fectl_.get<fectl::Ip>() != 0) send_message();
}

}  // namespace vtsim::iommu

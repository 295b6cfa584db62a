// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/opcode_table.h"

#include <array>

#include "cpu/exec/far_rows.h"
#include "cpu/exec/integer_rows.h"
#include "cpu/exec/vector/mmx.h"
#include "cpu/exec/vector/operands.h"
#include "cpu/exec/system_rows.h"
#include "cpu/exec/x87.h"
#include "cpu/exec/xsave.h"

namespace vtsim::cpu {
namespace {

struct OpcodeTable {
    std::array<const Row*, ZYDIS_MNEMONIC_MAX_VALUE + 1> rows{};
    OpcodeTable() {
        for (const auto family : {exec::integer_rows(), exec::move_rows(), exec::shift_rows(), exec::multiply_rows(), exec::bit_rows(), exec::branch_rows(), exec::string_rows(),
                                  exec::vector_move_rows(), exec::vector_integer_rows(), exec::vector_shuffle_rows(), exec::vector_arithmetic_rows(), exec::vector_conversion_rows(), exec::vector_extension_rows(), exec::vector_fma_rows(), exec::mmx_rows(), exec::x87_rows(), exec::x87_state_rows(), exec::segment_rows(), exec::fast_call_rows(), exec::interrupt_rows(), exec::control_register_rows(), exec::descriptor_table_rows(),
                                  exec::flag_rows(), exec::identification_rows(), exec::io_rows(), exec::system_rows(), exec::vmx_rows(), exec::xsave_rows()})
            for (const auto& row : family) rows[row.mnemonic] = &row;
    }
};

}  // namespace

const Row* find_row(ZydisMnemonic mnemonic) {
    static const OpcodeTable table;
    return table.rows[mnemonic];
}

}  // namespace vtsim::cpu

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "unit/vmx/csv.h"
#include "vmx/tables/controls.h"
#include "vmx/tables/exit_reasons.h"
#include "vmx/tables/instruction_errors.h"
#include "vmx/tables/vmcs_fields.h"

// The tables against independent copies of the manual's appendices.
namespace vtsim::vmx::test {

TEST(VmcsFieldTable, HasEveryRowOfTheManualAndNoOther) {
    const std::map<std::string, FieldWidth> widths{{"16", FieldWidth::bits16}, {"32", FieldWidth::bits32}, {"64", FieldWidth::bits64}, {"natural", FieldWidth::natural}};
    const std::map<std::string, FieldArea> areas{{"control", FieldArea::control}, {"exit-info", FieldArea::exit_information}, {"guest", FieldArea::guest}, {"host", FieldArea::host}};
    const auto rows = read_csv("vmcs_fields.csv");
    EXPECT_EQ(vmcs_fields.size(), rows.size());
    for (const auto& row : rows) {
        const u64 encoding = std::stoul(row[0], nullptr, 16);
        const unsigned found = field_row(encoding);
        ASSERT_NE(found, no_field) << row[0];
        const auto& field = vmcs_fields[found];
        EXPECT_EQ(field.encoding, encoding);
        EXPECT_EQ(field.name, row[1]);
        EXPECT_EQ(field.width(), widths.at(row[2])) << row[1];
        EXPECT_EQ(field.area(), areas.at(row[3])) << row[1];
        EXPECT_EQ(field.index(), std::stoul(row[4])) << row[1];
        EXPECT_EQ(field.exists == always, row[5].empty() || row[0] == "0x200C") << row[1];
    }
}

TEST(VmcsFieldTable, FindsNoRowForAnyOtherEncoding) {
    std::set<u64> valid;
    for (const auto& field : vmcs_fields) {
        valid.insert(field.encoding);
        if (field.width() == FieldWidth::bits64) valid.insert(field.encoding + 1U);
    }
    for (u64 encoding = 0; encoding < 0x2'0000; ++encoding) EXPECT_EQ(field_row(encoding) != no_field, valid.contains(encoding)) << std::hex << encoding;
    EXPECT_EQ(field_row(u64{1} << 32 | 0x681e), no_field);
}

TEST(ExitReasonTable, AgreesWithTheManual) {
    const auto rows = read_csv("exit_reasons.csv");
    ASSERT_EQ(exit_reasons.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto number = static_cast<u16>(std::stoul(rows[i][0]));
        EXPECT_EQ(static_cast<u16>(exit_reasons[i].reason), number);
        EXPECT_EQ(exit_reasons[i].text, rows[i][1]);
        EXPECT_EQ(exit_reason_index(number), i);
        const auto format = rows[i][5].find("format ");
        const auto expected = format == std::string::npos ? std::string("none") : std::string(1, rows[i][5][format + 7]);
        if (number != 84 && number != 85) {
            EXPECT_EQ(exit_reasons[i].format, expected == "none" ? InformationFormat::none : static_cast<InformationFormat>(expected[0] - 'A' + 1)) << rows[i][1];
        }
        EXPECT_EQ(exit_reasons[i].length == LengthValidity::valid, rows[i][4] == "yes") << rows[i][1];
    }
    EXPECT_EQ(exit_reason_index(35), exit_reasons.size());
    EXPECT_EQ(exit_reason_index(0xffff), exit_reasons.size());
}

TEST(ControlTable, AgreesWithTheManual) {
    const std::map<std::string, ControlWord> words{{"pin", ControlWord::pin}, {"proc1", ControlWord::primary}, {"proc2", ControlWord::secondary}, {"proc3", ControlWord::tertiary},
                                                   {"exit", ControlWord::exit}, {"exit2", ControlWord::secondary_exit}, {"entry", ControlWord::entry}, {"vmfunc", ControlWord::vm_function}};
    const auto rows = read_csv("vmx_controls.csv");
    ASSERT_EQ(controls.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(controls[i].word, words.at(rows[i][0]));
        EXPECT_EQ(controls[i].bit, std::stoul(rows[i][1]));
        EXPECT_EQ(controls[i].name, rows[i][2]);
        EXPECT_EQ(controls[i].default1, rows[i][3] == "yes");
    }
}

TEST(InstructionErrorTable, AgreesWithTheManual) {
    const auto rows = read_csv("vm_instruction_errors.csv");
    ASSERT_EQ(instruction_errors.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(static_cast<unsigned>(instruction_errors[i].error), std::stoul(rows[i][0]));
        EXPECT_EQ(instruction_errors[i].text, rows[i][1]);
    }
}

}  // namespace vtsim::vmx::test

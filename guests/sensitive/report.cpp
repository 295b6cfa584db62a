// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include "common/print.h"

namespace guest {
namespace {

u64 checksum;

// A line that is printed and added to the checksum when it is complete.
class Line {
public:
    Line& operator<<(const char* text) {
        while (*text) put(*text++);
        return *this;
    }
    Line& operator<<(u64 value) {
        if (value >= 10) *this << value / 10;
        put(char('0' + value % 10));
        return *this;
    }
    Line& hex_number(u64 value) {
        *this << "0x";
        for (int shift = 60; shift >= 0; shift -= 4)
            if (value >> shift || !shift) put("0123456789abcdef"[value >> shift & 15]);
        return *this;
    }
    // A word of a list.
    Line& word(const char* text) {
        if (used_ && text_[used_ - 1] != ',') put(' ');
        return *this << text;
    }
    void end() {
        text_[used_] = 0;
        for (unsigned i = 0; i < used_; ++i) checksum = (checksum ^ u8(text_[i])) * 0x100000001b3;     // Fowler, Noll and Vo's FNV-1a
        print(text_, "\n");
    }

private:
    void put(char c) {
        if (used_ + 1 < sizeof text_) text_[used_++] = c;
    }
    char text_[300];
    unsigned used_ = 0;
};

// SDM vol. 3, "Exception and Interrupt Reference".
constexpr const char* exception_names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP", "#SS", "#GP", "#PF", "15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
constexpr u32 vectors_with_error_code = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 21;

void put_exception(Line& line, const Observation& o) {
    if (o.vector < std::size(exception_names)) line << exception_names[o.vector];
    else line << "vector " << o.vector;
    if (o.vector < 32 && vectors_with_error_code >> o.vector & 1) {
        line << "(";
        line.hex_number(o.error_code) << ")";
    }
}

void put_outcome(Line& line, const Observation& o) {
    switch (o.end) {
    case Observation::End::done: line << "done"; break;
    case Observation::End::fault: put_exception(line, o); break;
    case Observation::End::exit:
        line << "exit " << u64{o.exit_reason};
        if (!o.exit_reason) put_exception(line << " ", o);
        break;
    case Observation::End::entry_failed: line << "entry failed " << u64{o.exit_reason}; break;
    }
}

void put_resources(Line& line, Resources resources) {
    for (unsigned i = 0; i < resource_count; ++i)
        if (resources.has(Resource(i))) line.word(name_of(Resource(i)));
}

}  // namespace

void print_header() { print("instruction,bits,mode,outcome,reads,writes,host\n"); }

void print_finding(const Snippet& snippet, const char* mode, const Finding& finding) {
    Line line;
    line << snippet.text() << "," << u64{snippet.bits} << "," << mode << ",";
    put_outcome(line, finding.observation);
    line << ",";
    put_resources(line, finding.reads);
    if (finding.reads_ring) line.word("CPL");
    line << ",";
    put_resources(line, finding.writes);
    if (finding.writes_ring) line.word("CPL");
    if (finding.observation.woken) line.word("activity");
    line << ",";
    put_resources(line, finding.host);
    if (finding.unlike_native) line.word("unlike-native");
    line.end();
}

void print_checksum() { print("sensitive checksum=", hex(checksum, 16), "\n"); }

}  // namespace guest

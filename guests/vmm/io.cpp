// SPDX-License-Identifier: Apache-2.0
// Ports: the guest has the serial port, the debug console and a port to end with; the legacy interrupt controllers swallow what it writes.
#include "common/cpu.h"
#include "exits.h"
#include "stop.h"

namespace guest {
namespace {

constexpr u16 debug_console = 0xe9;

// SDM vol. 3, "Exit Qualification for I/O Instructions".
struct IoAccess {
    u64 qualification;
    unsigned bytes() const { return (qualification & 7) + 1; }
    bool in() const { return qualification & 8; }
    bool string() const { return qualification & 16; }
    u16 port() const { return u16(qualification >> 16); }
};

// Whole lines with the guest's name, when several guests write there.
void put_line(Vcpu& vcpu, char c) {
    if (c == '\r') return;
    if (c != '\n') vcpu.line[vcpu.line_used++] = c;
    if (c != '\n' && vcpu.line_used + 1 < sizeof vcpu.line) return;
    vcpu.line[vcpu.line_used] = 0;
    vcpu.line_used = 0;
    print(vcpu.name, ": ", vcpu.line, "\n");
}

bool passed_through(u16 port) { return (port >= serial_port && port < serial_port + 8) || port == debug_console; }

u32 read_port(u16 port) { return passed_through(port) ? in8(port) : 0xffffffff; }

void write_port(Vcpu& vcpu, u16 port, u32 value) {
    if (port == serial_port && !vcpu.own_serial_port) return put_line(vcpu, char(value));
    if (passed_through(port)) return out8(port, u8(value));
    if (port != exit_port) return;  // as on a machine without such a device
    vcpu.running = false;
    vcpu.status = value;
}

}  // namespace

void handle_io(Vcpu& vcpu) {
    const IoAccess access{vmread(Field::exit_qualification)};
    if (access.string()) {
        print_guest_state(vcpu);
        stop("the guest uses a string instruction at port ", hex(access.port()), ": INS and OUTS are not emulated");
    }
    // SDM vol. 1, "General-Purpose Registers in 64-Bit Mode": a result of 32 bits clears the upper half, a smaller one leaves the rest.
    const u64 mask = access.bytes() == 4 ? 0xffffffff : (u64{1} << 8 * access.bytes()) - 1;
    u64& rax = vcpu.registers.rax;
    if (!access.in()) write_port(vcpu, access.port(), u32(rax & mask));
    else rax = (access.bytes() == 4 ? 0 : rax & ~mask) | (read_port(access.port()) & mask);
    skip_instruction(vcpu);
}

u64 make_io_bitmaps(MemoryPool& pool) {
    constexpr u64 bytes = 2 * 4096;
    void* const bitmaps = pool.take(bytes);
    for (u64 i = 0; i < bytes / 8; ++i) static_cast<u64*>(bitmaps)[i] = ~u64{0};
    return reinterpret_cast<u64>(bitmaps);
}

}  // namespace guest

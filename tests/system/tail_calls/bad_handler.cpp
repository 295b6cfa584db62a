// SPDX-License-Identifier: Apache-2.0
// A handler that keeps an object with a destructor alive at its return: the compiler makes a call of the tail call, and `check` must say so.
namespace vtsim::cpu {

class Core;
struct MicroOp {
    const MicroOp* (*handler)(Core&, const MicroOp&);
};

void leave_guard();

template <int number>
const MicroOp* handler(Core& core, const MicroOp& op) {
    struct Guard {
        ~Guard() { leave_guard(); }
    } guard;
    return (&op)[number].handler(core, (&op)[number]);
}

template const MicroOp* handler<1>(Core&, const MicroOp&);

}  // namespace vtsim::cpu

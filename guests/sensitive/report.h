// SPDX-License-Identifier: Apache-2.0
// What was found out, a line for each instruction and mode: instruction,bits,mode,outcome,reads,writes,host.
#pragma once
#include "observation.h"

namespace guest {

// A snippet in one mode.
struct Finding {
    Observation observation;            // every resource in its first form
    Differences noise;                  // between two runs that ought to be the same
    Resources reads, writes;
    bool reads_ring = false;            // another result than at ring 0
    bool writes_ring = false;
    Resources host;                     // resources of the host that the guest has read or changed
    bool unlike_native = false;         // another result than at the same ring outside VMX operation
};

void print_header();
void print_finding(const Snippet& snippet, const char* mode, const Finding& finding);
void print_checksum();                  // of all lines

}  // namespace guest

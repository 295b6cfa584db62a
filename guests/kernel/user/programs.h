// SPDX-License-Identifier: Apache-2.0
// What runs in ring 3. The code is mapped at an address of its own, a section of its own in the image: it refers to no data of the
// kernel's and calls nothing, or a page fault ends the machine.
#pragma once
#include "common/types.h"

namespace guest::user {

// `pages` pages from `memory` on: a first word each, from `seed`. Returns their sum.
u64 fill(u64 memory, u64 pages, u64 seed, u64);
// Changes one word in pages first, first + 1, ... (round the end to the beginning), `count` of them. Returns the sum of all pages' words.
u64 change(u64 memory, u64 pages, u64 first, u64 count);
// One job of a build: reads `files` files and writes `heap_pages` pages of memory, which it asks for, protects and gives back. Returns what it computed.
u64 compile(u64 job, u64 heap_pages, u64 files, u64);
u64 call_often(u64 count, u64, u64, u64);                // SystemCall::count; returns the sum of the answers
u64 interrupt_often(u64 count, u64 counter, u64, u64);   // INT n and self_ipi in turn; *counter is the number of IPIs so far

}  // namespace guest::user

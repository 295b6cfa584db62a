// SPDX-License-Identifier: Apache-2.0
#include "user/programs.h"

#include "common/cpu.h"
#include "common/interrupts.h"
#include "process/process.h"
#include "process/system_calls.h"

namespace guest::user {
namespace {

// Volatile: the compiler must not make calls of memset or memcpy out of loops.
[[gnu::always_inline]] inline volatile u64& word_at(u64 memory, u64 page, u64 word = 0) { return *reinterpret_cast<volatile u64*>(memory + page * frame_bytes + word * 8); }

// Each page's word is in another line of its page.
[[gnu::always_inline]] inline volatile u64& word_of(u64 memory, u64 page) { return word_at(memory, page, page % 64 * 8); }

[[gnu::always_inline]] inline u64 mixed(u64 state, u64 value) {
    state = (state ^ value) * 0x9e3779b97f4a7c15;
    return state ^ state >> 29;
}

}  // namespace

[[gnu::section(".user_text")]] u64 fill(u64 memory, u64 pages, u64 seed, u64) {
    u64 sum = 0;
    for (u64 page = 0; page < pages; ++page) {
        seed = mixed(seed, page);
        word_of(memory, page) = seed;
        sum += seed;
    }
    return sum;
}

[[gnu::section(".user_text")]] u64 change(u64 memory, u64 pages, u64 first, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        volatile u64& word = word_of(memory, (first + i) % pages);
        word = word * 3 + first;
    }
    u64 sum = 0;
    for (u64 page = 0; page < pages; ++page) sum = mixed(sum, word_of(memory, page));
    return sum;
}

[[gnu::section(".user_text")]] u64 compile(u64 job, u64 heap_pages, u64 files, u64) {
    constexpr u64 words_of_page = frame_bytes / 8;
    constexpr unsigned rounds = 4;
    u64 state = job, written = 0;
    if (!system_call(SystemCall::map, Process::heap, heap_pages)) return 0;
    for (u64 file = 0; file < files; ++file) {
        const u64 pages = system_call(SystemCall::map_file, Process::shared, file);
        for (u64 page = 0; page < pages; ++page) {
            for (u64 word = 0; word < words_of_page; word += 4) {
                u64 value = word_at(Process::shared, page, word);
                for (unsigned round = 0; round < rounds; ++round) value = mixed(value, state);
                state = mixed(state, value);
            }
            // What comes out of a page is a line of output: the next page of the heap, and again from the beginning.
            volatile u64& out = word_at(Process::heap, written % heap_pages, written % 64 * 8);
            out = out + state;
            ++written;
        }
        system_call(SystemCall::unmap, Process::shared, pages);
    }
    state += system_call(SystemCall::protect, Process::heap, heap_pages);
    for (u64 page = 0; page < heap_pages; ++page) state = mixed(state, word_of(Process::heap, page));
    system_call(SystemCall::unmap, Process::heap, heap_pages);
    return state;
}

[[gnu::section(".user_text")]] u64 call_often(u64 count, u64, u64, u64) {
    u64 sum = 0;
    for (u64 i = 0; i < count; ++i) sum += system_call(SystemCall::count);
    return sum;
}

[[gnu::section(".user_text")]] u64 interrupt_often(u64 count, u64 counter, u64, u64) {
    constexpr u64 patience = 1'000'000;  // turns of a PAUSE loop
    volatile const u64& arrived = *reinterpret_cast<volatile const u64*>(counter);
    u64 sum = 0;
    for (u64 i = 0; i < count; ++i) {
        if (i % 2) {
            const u64 before = arrived;
            system_call(SystemCall::self_ipi);
            for (u64 turn = 0; turn < patience && arrived == before; ++turn) pause();
            sum += arrived;
        } else {
            u64 answer = i;
            asm volatile("int %1" : "+a"(answer) : "i"(software_vector) : "memory");
            sum += answer;
        }
    }
    return sum;
}

}  // namespace guest::user

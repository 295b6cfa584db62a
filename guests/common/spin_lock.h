// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace guest {

// Between processors; not between a processor and its own interrupt handlers.
class SpinLock {
public:
    void lock() {
        while (__atomic_exchange_n(&taken_, true, __ATOMIC_ACQUIRE))
            while (__atomic_load_n(&taken_, __ATOMIC_RELAXED)) asm volatile("pause");
    }
    void unlock() { __atomic_store_n(&taken_, false, __ATOMIC_RELEASE); }

private:
    bool taken_ = false;
};

class Locked {
public:
    explicit Locked(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    ~Locked() { lock_.unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

private:
    SpinLock& lock_;
};

}  // namespace guest

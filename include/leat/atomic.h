/*
 * leat/atomic.h: the seam. One verb for each ordering, three back ends behind the same verbs.
 *
 * No other file of leat names an atomic operation of any library, so that the sources can be compiled
 * against Concurrency Kit (the default in C), against the compiler's built-ins (C++, ThreadSanitizer, which
 * sees neither assembly nor stand-alone fences), or against a scheduler that explores interleavings.
 *
 *     leat_load_rlx(p)            leat_store_rlx(p, v)
 *     leat_load_acq(p)            leat_store_rel(p, v)
 *     leat_cas_rlx(p, &old, v)    leat_cas_acqrel(p, &old, v)    true, or false with the value found in old
 *     leat_add_rlx(p, v)          leat_add_acqrel(p, v)          the value before
 *     leat_or_acqrel(p, v)        leat_and_acqrel(p, v)          the value before
 *     leat_fence_light()          stops the compiler only: the cheap half of an asymmetric fence, whose
 *                                 other half is leat_os_fence_heavy() (runtime/os/os.h)
 *     leat_fence_seq()            a full fence
 *     leat_pause()                tells the core that it spins
 *
 * p points to a uint32_t, a uint64_t or a pointer. "rlx" orders nothing, "acq" keeps later accesses after
 * the load, "rel" keeps earlier ones before the store, "acqrel" does both.
 *
 * Concurrency Kit 0.7.1 has relaxed accesses and fences only, and its read-modify-writes are full barriers on
 * x86 but relaxed on aarch64, so each ordered verb brackets them itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_ATOMIC_H
#define LEAT_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define LEAT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEAT_TSAN 1
#endif
#endif

#if UINTPTR_MAX != UINT64_MAX
#error "leat needs 64-bit pointers: positions are 64-bit words that must be read in one access"
#endif

#if defined(LEAT_ATOMIC_BACKEND) /* the exploring scheduler: a header that defines every verb above */

#include LEAT_ATOMIC_BACKEND

#elif defined(__cplusplus) || defined(LEAT_TSAN) || defined(LEAT_ATOMIC_BUILTIN)

#define leat_load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define leat_load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define leat_store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define leat_store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define leat_cas_rlx(p, old, v) \
	__atomic_compare_exchange_n((p), (old), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define leat_cas_acqrel(p, old, v) \
	__atomic_compare_exchange_n((p), (old), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define leat_add_rlx(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define leat_add_acqrel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define leat_or_acqrel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define leat_and_acqrel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define leat_fence_light() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#ifdef LEAT_TSAN
/* A read-modify-write stands for the fence, which ThreadSanitizer does not see. */
static inline void leat_fence_seq(void)
{
	static uint32_t word;
	__atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
}
#else
#define leat_fence_seq() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#if defined(__x86_64__)
#define leat_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define leat_pause() __asm__ __volatile__("isb" ::: "memory")
#else
#define leat_pause() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#endif

#else /* Concurrency Kit */

#include <ck_pr.h>

#if !defined(__x86_64__) && !defined(CK_MD_RMO)
#error "this Concurrency Kit is configured for total store order; build it for this machine (CK_MD_RMO)"
#endif

/* The word's size picks the operation; the other arm is never executed. */
#define leat_ck_u64(p) ((uint64_t *)(uintptr_t)(p))
#define leat_ck_u32(p) ((uint32_t *)(uintptr_t)(p))
#define leat_ck_as(p, v) ((__typeof__(*(p)))(uintptr_t)(v))

#define leat_load_rlx(p) \
	leat_ck_as(p, sizeof(*(p)) == 8 ? ck_pr_load_64(leat_ck_u64(p)) : ck_pr_load_32(leat_ck_u32(p)))
#define leat_load_acq(p) \
	__extension__({ \
		__typeof__(*(p)) leat_loaded_ = leat_load_rlx(p); \
		ck_pr_fence_acquire(); \
		leat_loaded_; \
	})
#define leat_store_rlx(p, v) \
	(sizeof(*(p)) == 8 ? ck_pr_store_64(leat_ck_u64(p), (uint64_t)(uintptr_t)(v)) \
			   : ck_pr_store_32(leat_ck_u32(p), (uint32_t)(uintptr_t)(v)))
#define leat_store_rel(p, v) \
	__extension__({ \
		ck_pr_fence_release(); \
		leat_store_rlx((p), (v)); \
	})
#define leat_cas_rlx(p, old, v) \
	(sizeof(*(p)) == 8 ? ck_pr_cas_64_value(leat_ck_u64(p), *leat_ck_u64(old), (uint64_t)(uintptr_t)(v), \
						leat_ck_u64(old)) \
			   : ck_pr_cas_32_value(leat_ck_u32(p), *leat_ck_u32(old), (uint32_t)(uintptr_t)(v), \
						leat_ck_u32(old)))
#define leat_cas_acqrel(p, old, v) \
	__extension__({ \
		ck_pr_fence_release(); \
		bool leat_swapped_ = leat_cas_rlx((p), (old), (v)); \
		ck_pr_fence_acquire(); \
		leat_swapped_; \
	})
#define leat_add_rlx(p, v) \
	leat_ck_as(p, sizeof(*(p)) == 8 ? ck_pr_faa_64(leat_ck_u64(p), (uint64_t)(v)) \
					: ck_pr_faa_32(leat_ck_u32(p), (uint32_t)(v)))
#define leat_add_acqrel(p, v) \
	__extension__({ \
		ck_pr_fence_release(); \
		__typeof__(*(p)) leat_before_ = leat_add_rlx((p), (v)); \
		ck_pr_fence_acquire(); \
		leat_before_; \
	})
/* Concurrency Kit answers no old value for "or" and "and": both are loops. Not for a fast path. */
#define leat_or_acqrel(p, v) \
	__extension__({ \
		__typeof__(*(p)) leat_before_ = leat_load_rlx(p); \
		while (!leat_cas_acqrel((p), &leat_before_, leat_before_ | (v))) \
			; \
		leat_before_; \
	})
#define leat_and_acqrel(p, v) \
	__extension__({ \
		__typeof__(*(p)) leat_before_ = leat_load_rlx(p); \
		while (!leat_cas_acqrel((p), &leat_before_, leat_before_ & (v))) \
			; \
		leat_before_; \
	})
#define leat_fence_light() ck_pr_barrier()
#define leat_fence_seq() ck_pr_fence_memory()
#define leat_pause() ck_pr_stall()

#endif
#endif

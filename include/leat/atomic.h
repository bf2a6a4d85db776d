/*
 * leat/atomic.h: the seam of atomic operations. One verb for each ordering, three back ends.
 *
 * No other file of leat names an atomic operation of a compiler or of a library. So the same
 * sources can be compiled against three back ends:
 *
 *     Concurrency Kit          the default in C
 *     the compiler's built-ins C++; ThreadSanitizer, which sees neither assembly nor fences;
 *                              LEAT_ATOMIC_BUILTIN
 *     the exploring scheduler  the header LEAT_ATOMIC_BACKEND (tests/verify/backend.h)
 *
 * The verbs:
 *
 *     leat_load_rlx(p)            leat_store_rlx(p, v)
 *     leat_load_acq(p)            leat_store_rel(p, v)
 *     leat_cas_rlx(p, &old, v)    leat_cas_acqrel(p, &old, v)    returns true; or false, and sets
 *                                                                old to the value that it found
 *     leat_add_rlx(p, v)          leat_add_acqrel(p, v)          returns the value before
 *     leat_sub_rlx(p, v)          leat_sub_acqrel(p, v)          the same
 *     leat_or_rlx(p, v)           leat_and_rlx(p, v)             the same
 *     leat_or_acqrel(p, v)        leat_and_acqrel(p, v)          the same
 *     leat_fence_light()          a fence of the compiler alone: the cheap half of an asymmetric
 *                                 fence; the other half is leat_os_fence_heavy() (runtime/os/os.h)
 *     leat_fence_seq()            a full fence
 *     leat_pause()                lets the core know that this thread spins
 *
 * p points to a uint32_t or a uint64_t. For load, store and cas it may point to a pointer too,
 * which a load in C returns as a void *.
 *
 * "rlx" orders nothing. "acq" keeps later accesses after the load. "rel" keeps earlier accesses
 * before the store. "acqrel" does both. A leat_cas_acqrel() that fails is an acquire.
 *
 * Concurrency Kit 0.7.1 has only relaxed accesses, and fences. Its read-modify-writes are full
 * barriers on x86 but relaxed on aarch64. So each ordered verb puts the fences around them itself.
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

/* The header of another back end defines every verb above but subtraction. */
#if defined(LEAT_ATOMIC_BACKEND)

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
#define leat_or_rlx(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define leat_and_rlx(p, v) __atomic_fetch_and((p), (v), __ATOMIC_RELAXED)
#define leat_or_acqrel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define leat_and_acqrel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define leat_fence_light() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#ifdef LEAT_TSAN
/* ThreadSanitizer does not see a fence, but it sees this read-modify-write. */
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

/*
 * The functions behind the verbs, for words of each size. Concurrency Kit has no "or" and no "and"
 * that returns the value before, so these are loops.
 */
#define LEAT_CK_MASK(bits, verb, order, operator) \
	static inline uint##bits##_t leat_ck_##verb##_##order##_##bits(uint##bits##_t *p, \
	                                                               uint##bits##_t mask) \
	{ \
		uint##bits##_t old = ck_pr_load_##bits(p); \
		while (!leat_ck_cas_##order##_##bits(p, &old, old operator mask)) \
			; \
		return old; \
	}
#define LEAT_CK_WORD(bits) \
	static inline uint##bits##_t leat_ck_load_rlx_##bits(const uint##bits##_t *p) \
	{ \
		return ck_pr_load_##bits(p); \
	} \
	static inline uint##bits##_t leat_ck_load_acq_##bits(const uint##bits##_t *p) \
	{ \
		uint##bits##_t value = ck_pr_load_##bits(p); \
		ck_pr_fence_acquire(); \
		return value; \
	} \
	static inline void leat_ck_store_rlx_##bits(uint##bits##_t *p, uint##bits##_t value) \
	{ \
		ck_pr_store_##bits(p, value); \
	} \
	static inline void leat_ck_store_rel_##bits(uint##bits##_t *p, uint##bits##_t value) \
	{ \
		ck_pr_fence_release(); \
		ck_pr_store_##bits(p, value); \
	} \
	static inline bool leat_ck_cas_rlx_##bits(uint##bits##_t *p, uint##bits##_t *old, \
	                                          uint##bits##_t value) \
	{ \
		return ck_pr_cas_##bits##_value(p, *old, value, old); \
	} \
	static inline bool leat_ck_cas_acqrel_##bits(uint##bits##_t *p, uint##bits##_t *old, \
	                                             uint##bits##_t value) \
	{ \
		ck_pr_fence_release(); \
		bool swapped = ck_pr_cas_##bits##_value(p, *old, value, old); \
		ck_pr_fence_acquire(); \
		return swapped; \
	} \
	static inline uint##bits##_t leat_ck_add_rlx_##bits(uint##bits##_t *p, \
	                                                    uint##bits##_t value) \
	{ \
		return ck_pr_faa_##bits(p, value); \
	} \
	static inline uint##bits##_t leat_ck_add_acqrel_##bits(uint##bits##_t *p, \
	                                                       uint##bits##_t value) \
	{ \
		ck_pr_fence_release(); \
		value = ck_pr_faa_##bits(p, value); \
		ck_pr_fence_acquire(); \
		return value; \
	} \
	LEAT_CK_MASK(bits, or, rlx, |) \
	LEAT_CK_MASK(bits, and, rlx, &) \
	LEAT_CK_MASK(bits, or, acqrel, |) \
	LEAT_CK_MASK(bits, and, acqrel, &)
LEAT_CK_WORD(32)
LEAT_CK_WORD(64)
#undef LEAT_CK_WORD
#undef LEAT_CK_MASK

static inline void *leat_ck_load_rlx_ptr(const void *p)
{
	return ck_pr_load_ptr((void *const *)p);
}

static inline void *leat_ck_load_acq_ptr(const void *p)
{
	void *value = ck_pr_load_ptr((void *const *)p);

	ck_pr_fence_acquire();
	return value;
}

static inline void leat_ck_store_rlx_ptr(void *p, void *value)
{
	ck_pr_store_ptr((void **)p, value);
}

static inline void leat_ck_store_rel_ptr(void *p, void *value)
{
	ck_pr_fence_release();
	ck_pr_store_ptr((void **)p, value);
}

static inline bool leat_ck_cas_rlx_ptr(void *p, void *old, void *value)
{
	return ck_pr_cas_ptr_value(p, *(void **)old, value, old);
}

static inline bool leat_ck_cas_acqrel_ptr(void *p, void *old, void *value)
{
	bool swapped;

	ck_pr_fence_release();
	swapped = ck_pr_cas_ptr_value(p, *(void **)old, value, old);
	ck_pr_fence_acquire();
	return swapped;
}

/* clang-format off */

#define leat_ck_pick(p, verb) \
	_Generic((p), \
		uint32_t *: leat_ck_##verb##_32, const uint32_t *: leat_ck_##verb##_32, \
		uint64_t *: leat_ck_##verb##_64, const uint64_t *: leat_ck_##verb##_64)
#define leat_ck_pick_any(p, verb) \
	_Generic((p), \
		uint32_t *: leat_ck_##verb##_32, const uint32_t *: leat_ck_##verb##_32, \
		uint64_t *: leat_ck_##verb##_64, const uint64_t *: leat_ck_##verb##_64, \
		default: leat_ck_##verb##_ptr)

/* clang-format on */

#define leat_load_rlx(p) leat_ck_pick_any(p, load_rlx)(p)
#define leat_load_acq(p) leat_ck_pick_any(p, load_acq)(p)
#define leat_store_rlx(p, v) leat_ck_pick_any(p, store_rlx)((p), (v))
#define leat_store_rel(p, v) leat_ck_pick_any(p, store_rel)((p), (v))
#define leat_cas_rlx(p, old, v) leat_ck_pick_any(p, cas_rlx)((p), (old), (v))
#define leat_cas_acqrel(p, old, v) leat_ck_pick_any(p, cas_acqrel)((p), (old), (v))
#define leat_add_rlx(p, v) leat_ck_pick(p, add_rlx)((p), (v))
#define leat_add_acqrel(p, v) leat_ck_pick(p, add_acqrel)((p), (v))
#define leat_or_rlx(p, v) leat_ck_pick(p, or_rlx)((p), (v))
#define leat_and_rlx(p, v) leat_ck_pick(p, and_rlx)((p), (v))
#define leat_or_acqrel(p, v) leat_ck_pick(p, or_acqrel)((p), (v))
#define leat_and_acqrel(p, v) leat_ck_pick(p, and_acqrel)((p), (v))
#define leat_fence_light() ck_pr_barrier()
#define leat_fence_seq() ck_pr_fence_memory()
#define leat_pause() ck_pr_stall()

#endif

#define leat_sub_rlx(p, v) leat_add_rlx(p, (__typeof__(*(p)))0 - (v))
#define leat_sub_acqrel(p, v) leat_add_acqrel(p, (__typeof__(*(p)))0 - (v))

/*
 * Writes to a byte the value that it has, so that this core's cache has the line as modified; on
 * x86-64 alone. No thread may write the byte meanwhile. Others may read it: no value changes. So it
 * has to be ordered as a read of the byte has, and a read is what the exploring scheduler and
 * ThreadSanitizer are shown.
 */
static inline void leat_rewrite_byte(const void *p)
{
#if defined(LEAT_TSAN) || defined(LEAT_ATOMIC_BACKEND)
	(void)*(const volatile unsigned char *)p;
#endif
#if defined(__x86_64__)
	__asm__ __volatile__("orb $0, %0" : "+m"(*(unsigned char *)(uintptr_t)p) : : "cc");
#else
	(void)p;
#endif
}

#endif

/*
 * tests/verify/backend.h: the verbs of leat/atomic.h as steps of the exploring scheduler.
 *
 * Each use of a verb leaves a record in the section verify_sites, so that a run can name, and
 * weaken, any of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_BACKEND_H
#define LEAT_TESTS_VERIFY_BACKEND_H

/*
 * A model moves few items, so a side with a single thread stores its position from the first item
 * on. A side with several threads swaps it.
 */
#define LEAT_MPMC_STORE_RUN 0

enum verify_order { VERIFY_RLX, VERIFY_ACQ, VERIFY_REL, VERIFY_ACQREL, VERIFY_LIGHT, VERIFY_SEQ };

struct verify_site {
	const char *verb, *expr, *file, *func;
	int line;
	enum verify_order order;
};

enum verify_rmw { VERIFY_ADD, VERIFY_OR, VERIFY_AND };

uint64_t verify_load(const void *p, unsigned size, const struct verify_site *site);
void verify_store(void *p, unsigned size, uint64_t value, const struct verify_site *site);
bool verify_cas(void *p, unsigned size, void *old, uint64_t value, const struct verify_site *site);
uint64_t verify_add(void *p, unsigned size, uint64_t value, enum verify_rmw what,
                    const struct verify_site *site);
void verify_fence(const struct verify_site *site);
void verify_pause(void);

#define VERIFY_SITE(verb_name, text, its_order) \
	static const struct verify_site site_ __attribute__((section("verify_sites"), used, \
	                                                     aligned(8))) = { .verb = verb_name, \
		                                                              .expr = text, \
		                                                              .file = __FILE__, \
		                                                              .func = __func__, \
		                                                              .line = __LINE__, \
		                                                              .order = its_order }

#define verify_do_load(p, text, verb, order) \
	({ \
		VERIFY_SITE(verb, text, order); \
		const __typeof__(*(p)) *p_ = (p); \
		(uint64_t) verify_load(p_, sizeof(*p_), &site_); \
	})
/* The result of an operation as the word's own type, without its qualifiers. */
#define verify_as(p, operation) \
	({ \
		uint64_t answer_ = (operation); \
		_Generic((p), uint32_t *: (uint32_t)answer_, const uint32_t *: (uint32_t)answer_, \
			uint64_t *: answer_, const uint64_t *: answer_, default: (void *)(uintptr_t)answer_); \
	})
#define verify_do_store(p, v, text, verb, order) \
	({ \
		VERIFY_SITE(verb, text, order); \
		__typeof__(*(p)) *p_ = (p); \
		verify_store(p_, sizeof(*p_), (uint64_t)(uintptr_t)(v), &site_); \
	})
#define verify_do_cas(p, o, v, text, verb, order) \
	({ \
		VERIFY_SITE(verb, text, order); \
		__typeof__(*(p)) *p_ = (p), *old_ = (o); \
		verify_cas(p_, sizeof(*p_), old_, (uint64_t)(uintptr_t)(v), &site_); \
	})
#define verify_do_add(p, v, what, text, verb, order) \
	({ \
		VERIFY_SITE(verb, text, order); \
		__typeof__(*(p)) *p_ = (p); \
		verify_add(p_, sizeof(*p_), (v), what, &site_); \
	})

#define leat_load_rlx(p) verify_as(p, verify_do_load(p, #p, "load_rlx", VERIFY_RLX))
#define leat_load_acq(p) verify_as(p, verify_do_load(p, #p, "load_acq", VERIFY_ACQ))
#define leat_store_rlx(p, v) verify_do_store(p, v, #p, "store_rlx", VERIFY_RLX)
#define leat_store_rel(p, v) verify_do_store(p, v, #p, "store_rel", VERIFY_REL)
#define leat_cas_rlx(p, old, v) verify_do_cas(p, old, v, #p, "cas_rlx", VERIFY_RLX)
#define leat_cas_acqrel(p, old, v) verify_do_cas(p, old, v, #p, "cas_acqrel", VERIFY_ACQREL)
#define leat_add_rlx(p, v) verify_as(p, verify_do_add(p, v, VERIFY_ADD, #p, "add_rlx", VERIFY_RLX))
#define leat_add_acqrel(p, v) \
	verify_as(p, verify_do_add(p, v, VERIFY_ADD, #p, "add_acqrel", VERIFY_ACQREL))
#define leat_or_rlx(p, v) verify_as(p, verify_do_add(p, v, VERIFY_OR, #p, "or_rlx", VERIFY_RLX))
#define leat_and_rlx(p, v) verify_as(p, verify_do_add(p, v, VERIFY_AND, #p, "and_rlx", VERIFY_RLX))
#define leat_or_acqrel(p, v) \
	verify_as(p, verify_do_add(p, v, VERIFY_OR, #p, "or_acqrel", VERIFY_ACQREL))
#define leat_and_acqrel(p, v) \
	verify_as(p, verify_do_add(p, v, VERIFY_AND, #p, "and_acqrel", VERIFY_ACQREL))
#define leat_fence_light() \
	({ \
		VERIFY_SITE("fence_light", "", VERIFY_LIGHT); \
		verify_fence(&site_); \
	})
#define leat_fence_seq() \
	({ \
		VERIFY_SITE("fence_seq", "", VERIFY_SEQ); \
		verify_fence(&site_); \
	})
#define leat_pause() verify_pause()

#endif

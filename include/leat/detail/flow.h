/*
 * leat/detail/flow.h: what the macros of leat/flow.h are made of.
 *
 * name_one() is the step for one item, with a pointer without a type as its state: what LEAT_FUSE()
 * calls in a row. A loop writes each result behind the last that was kept, and moves on by whether
 * this one is kept, so it has no branch to mispredict.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_FLOW_H
#define LEAT_DETAIL_FLOW_H

#include <leat/flow.h>

#ifndef __cplusplus
#define LEAT_DETAIL_IS_CONST(statetype) \
	(__builtin_types_compatible_p(statetype, const __typeof__(*(statetype)0) *) != 0)
#else
template <typename T> struct leat_detail_to_const {
	static const bool value = false;
};
template <typename T> struct leat_detail_to_const<const T *> {
	static const bool value = true;
};
#define LEAT_DETAIL_IS_CONST(statetype) (leat_detail_to_const<statetype>::value)
#endif

/* gcc does not unroll at -O2, where the loop's own instructions are more than a small body's. */
#if defined(__GNUC__) && !defined(__clang__)
#define LEAT_DETAIL_UNROLL _Pragma("GCC unroll 4")
#else
#define LEAT_DETAIL_UNROLL
#endif

#define LEAT_DETAIL_ONE(name, statetype, call) \
	static inline __attribute__((always_inline)) int name##_one(const name##_in *x_, \
	                                                            name##_out *y_, void *s_) \
	{ \
		return call; \
	}

/* In the order of the members of struct leat_step: C++17 has no designated initializers. */
#define LEAT_DETAIL_STEP(step_name, step_kind, in_type, out_type, most_items, statetype, owns) \
	static const struct leat_step step_name \
		__attribute__((unused)) = { #step_name, \
		                            step_kind, \
		                            step_name##_vec, \
		                            in_type, \
		                            out_type, \
		                            most_items, \
		                            LEAT_DETAIL_IS_CONST(statetype), \
		                            NULL, \
		                            false, \
		                            owns, \
		                            0, \
		                            __FILE__, \
		                            __LINE__ };

/* left_out: what becomes of in_[i_] where it is left out. */
#define LEAT_DETAIL_MAP_LOOP(name, left_out) \
	static int name##_vec(void *state_, struct leat_vec *v_) \
	{ \
		const name##_in *__restrict in_ = (const name##_in *)v_->in; \
		name##_out *__restrict out_ = (name##_out *)v_->out; \
		const size_t n_ = v_->n < v_->room ? v_->n : v_->room; \
		size_t made_ = 0, i_; \
		int rc_ = 0; \
		LEAT_DETAIL_UNROLL \
		for (i_ = 0; i_ < n_; i_++) { \
			rc_ = name##_one(&in_[i_], &out_[made_], state_); \
			if (__builtin_expect((unsigned)rc_ > LEAT_SKIP, 0)) \
				break; /* LEAT_ENOUGH, or an error */ \
			left_out; \
			made_ += rc_ == 0; \
		} \
		v_->used = i_; \
		v_->made = made_; \
		v_->skipped = i_ - made_; \
		return (unsigned)rc_ > LEAT_SKIP ? rc_ : 0; \
	}

#define LEAT_DETAIL_MAP_STEP(name, kind, in_type, out_type, statetype) \
	LEAT_DETAIL_MAP_LOOP(name, (void)0) \
	LEAT_DETAIL_STEP(name, kind, in_type, out_type, 1, statetype, false)

/* A step that owns its items frees those that it leaves out, as they are by then. */
#define LEAT_DETAIL_OWN_STEP(name, kind, type, statetype) \
	LEAT_DETAIL_MAP_LOOP( \
		name, \
		if (rc_ == LEAT_SKIP && LEAT_T(type)->discard != NULL) LEAT_T(type)->discard( \
			&out_[made_], NULL)) \
	LEAT_DETAIL_STEP(name, kind, LEAT_T(type), LEAT_T(type), 1, statetype, true)

/* The steps of a fused one, one within the other: step i reads xi and makes zi. */
#define LEAT_DETAIL_FUSE_LAST(i, step) rc_ = step##_one(x##i, y_, states_[i]);
#define LEAT_DETAIL_FUSE_NEXT(i, next, step, rest) \
	step##_out z##i; \
	rc_ = step##_one(x##i, &z##i, states_[i]); \
	if (rc_ == 0) { \
		const step##_out *x##next = &z##i; \
		rest \
	}
#define LEAT_DETAIL_FUSE_1(i0, a) LEAT_DETAIL_FUSE_LAST(i0, a)
#define LEAT_DETAIL_FUSE_2(i0, i1, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_1(i1, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_3(i0, i1, i2, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_2(i1, i2, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_4(i0, i1, i2, i3, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_3(i1, i2, i3, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_5(i0, i1, i2, i3, i4, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_4(i1, i2, i3, i4, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_6(i0, i1, i2, i3, i4, i5, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_5(i1, i2, i3, i4, i5, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_7(i0, i1, i2, i3, i4, i5, i6, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, LEAT_DETAIL_FUSE_6(i1, i2, i3, i4, i5, i6, __VA_ARGS__))
#define LEAT_DETAIL_FUSE_8(i0, i1, i2, i3, i4, i5, i6, i7, a, ...) \
	LEAT_DETAIL_FUSE_NEXT(i0, i1, a, \
	                      LEAT_DETAIL_FUSE_7(i1, i2, i3, i4, i5, i6, i7, __VA_ARGS__))
#define LEAT_DETAIL_NINTH(a, b, c, d, e, f, g, h, ninth, ...) ninth
#define LEAT_DETAIL_FUSE_ALL(...) \
	LEAT_DETAIL_NINTH(__VA_ARGS__, LEAT_DETAIL_FUSE_8(0, 1, 2, 3, 4, 5, 6, 7, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_7(0, 1, 2, 3, 4, 5, 6, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_6(0, 1, 2, 3, 4, 5, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_5(0, 1, 2, 3, 4, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_4(0, 1, 2, 3, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_3(0, 1, 2, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_2(0, 1, __VA_ARGS__), \
	                  LEAT_DETAIL_FUSE_1(0, __VA_ARGS__), )

#define LEAT_DETAIL_FUSE(name, intype, outtype, ...) \
	typedef leat_item_##intype name##_in; \
	typedef leat_item_##outtype name##_out; \
	static inline __attribute__((always_inline)) int name##_one(const name##_in *x0, \
	                                                            name##_out *y_, void *s_) \
	{ \
		void *const *states_ = (void *const *)s_; \
		int rc_; \
		LEAT_DETAIL_FUSE_ALL(__VA_ARGS__) \
		return rc_; \
	} \
	LEAT_DETAIL_MAP_STEP(name, LEAT_STEP_FUSED, LEAT_T(intype), LEAT_T(outtype), void *) \
	/* declared again, as the caller's semicolon has to end something */ \
	static int name##_vec(void *state_, struct leat_vec *v_)

#endif

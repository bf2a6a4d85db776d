// SPDX-License-Identifier: BSD-2-Clause
// The same headers from C++17: handles fit unique_ptr, and the calls know the type behind their pointer.
#include <leat/leat.h>

#include <cstdio>
#include <memory>

struct closer {
	void operator()(leat_scope *scope) const { leat_scope_close(scope); }
	void operator()(leat_rx *rx) const { leat_rx_close(rx); }
};

struct tick {
	int64_t at_ns;
	double price;
};

static int ticks(leat_tx *out, void *)
{
	int rc = 0;

	for (tick t = { leat_now_ns(), 100.0 }; rc == 0; t.price += 0.25)
		rc = leat_send(out, &t);
	return rc;
}

int main()
{
	std::unique_ptr<leat_scope, closer> scope(leat_scope_open(nullptr, nullptr));
	leat_rx *raw = nullptr;

	if (!scope || leat_gen(scope.get(), ticks, nullptr, sizeof(tick), nullptr, &raw) != 0)
		return 1;
	std::unique_ptr<leat_rx, closer> rx(raw); // closed before the scope, as declared after it
	leat_for(tick, t, rx.get()) {
		std::printf("%.2f\n", t.price);
		if (t.price >= 102.0)
			break;
	}
}

// SPDX-License-Identifier: BSD-2-Clause
// The same from C++17: the templates behind the calls, and leat_for.
#include <leat/leat.h>

struct pair {
	uint32_t a, b;
};

static int pairs(leat_tx *out, void *)
{
	int rc = 0;

	for (uint32_t n = 1; rc == 0; n++) {
		pair p = { n, n * n };
		rc = leat_send(out, &p);
	}
	return rc;
}

int main()
{
	leat_scope *scope = leat_scope_open(nullptr, nullptr);
	leat_rx *rx = nullptr;
	uint32_t sum = 0;

	if (scope == nullptr || leat_gen(scope, pairs, nullptr, sizeof(pair), nullptr, &rx) != 0)
		return 1;
	leat_for(pair, p, rx) {
		sum += p.b;
		if (p.a == 3)
			break;
	}
	pair some[4];
	if (leat_recv_batch(rx, some, 4) < 1 || leat_recv(rx, static_cast<void *>(some)) != 1)
		return 1;
	leat_rx_close(rx);
	return leat_scope_close(scope) == 0 && sum == 14 ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Criterion's runner asks rand_r() where to map the arena that its test processes inherit, and maps
 * it into what ThreadSanitizer keeps for its shadow. Between these two bounds nothing is mapped
 * under ThreadSanitizer.
 */
int rand_r(unsigned *seed);

int rand_r(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(0x350000u + (*seed >> 8) % 0x8000u);
}

/*
 * What the program of docs/export.md that exports its own figures leaves to the reader: nothing. It
 * is tried where libleat-export is installed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

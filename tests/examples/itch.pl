#!/usr/bin/env perl
# SPDX-License-Identifier: BSD-2-Clause
# Files of NASDAQ's ITCH 5.0 for tests of examples/broadcast.c and flow_feed.c:
#   itch.pl make N     writes a file of N messages and a few more, made up, the same ones each time
#   itch.pl count      reads a file; prints its messages, bytes, shares traded, symbols, open
#                      orders, and the most dollars that were in open orders
#   itch.pl symbols    reads a file; prints what examples/flow_feed.c does
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;
my %size = (S => 12, R => 39, H => 25, A => 36, F => 40, E => 31, C => 36, X => 23, D => 19,
    U => 35, P => 44);
my $at_ns = 34_200_000_000_000;

sub put {
	my ($type, $symbol, $rest) = @_;
	my $time = pack 'n N', $at_ns >> 32, $at_ns & 0xffffffff;
	my $message = pack('a n n', $type, $symbol, 0) . $time . $rest;

	$at_ns += 1000;
	die "$type" unless length $message == $size{$type};
	# Files have the length, or 0.
	print pack('n', $symbol == 2 ? 0 : $size{$type}), $message;
}

sub make {
	my ($n) = @_;
	my ($seed, $id, @open) = (1, 0);
	my $random = sub { $seed = ($seed * 1103515245 + 12345) % 2**31; ($seed >> 8) % $_[0] };

	put('S', 0, 'O');
	put('R', $_, pack('A8', "TEST$_") . '0' x 20) for 1 .. 3;
	for my $k (1 .. $n) {
		my $symbol = 1 + $random->(3);
		my ($shares, $price) = (1 + $random->(500), 10000 * (20 + $random->(80)));
		my $kind = $random->(10);
		my $name = pack 'A8', "TEST$symbol";

		if ($kind < 4 || !@open) {
			my $order = pack 'Q> a N A8 N', ++$id, 'B', $shares, $name, $price;

			put($kind == 3 ? ('F', $symbol, $order . 'FIRM') : ('A', $symbol, $order));
			push @open, [ $id, $symbol ];
		} elsif ($kind == 4) {
			put('P', $symbol, pack 'Q> a N A8 N Q>', 0, 'B', $shares, $name, $price,
			    $k);
		} else {
			my $i = $random->(scalar @open);
			my ($order, $of) = @{ $open[$i] };

			if ($kind == 5) {
				put('E', $of, pack('Q> N Q>', $order, $shares, $k));
			} elsif ($kind == 6) {
				put('C', $of, pack 'Q> N Q> a N', $order, $shares, $k, 'Y',
				    $price);
			} elsif ($kind == 7) {
				put('X', $of, pack('Q> N', $order, $shares));
			} elsif ($kind == 8) {
				put('U', $of, pack('Q> Q> N N', $order, ++$id, $shares, $price));
				$open[$i] = [ $id, $of ];
			} else {
				put('D', $of, pack('Q>', $order));
				splice @open, $i, 1;
			}
		}
	}
	put('S', 0, 'C');
}

sub count {
	my $file = do { local $/; <STDIN> };
	my ($messages, $bytes, $traded, $at, $notional, $most, %symbols, %open) = (0) x 6;
	my $add = sub {
		my ($order, $shares, $price) = @_;

		$open{$order} = [ $shares, $price ];
		$notional += $shares * $price;
		$most = $notional if $notional > $most;
	};
	my $reduce = sub {
		my ($order, $shares) = @_;
		my $of = $open{$order} or return;

		$shares = $of->[0] if $shares > $of->[0];
		$of->[0] -= $shares;
		$notional -= $shares * $of->[1];
		delete $open{$order} if $of->[0] == 0;
	};

	while ($at < length $file) {
		my $type = substr $file, $at + 2, 1;
		my $m = substr $file, $at + 2, $size{$type};
		my ($symbol, $order) = unpack 'x n x8 Q>', $m . "\0" x 8;
		my $shares = 0;

		$shares = unpack 'x19 N', $m if $type =~ /[EC]/;
		$shares = unpack 'x20 N', $m if $type eq 'P';
		$at += 2 + $size{$type};
		$messages++;
		$bytes += $size{$type};
		$traded += $shares;
		$symbols{$symbol} = 1 if $shares > 0;
		$add->($order, unpack 'x20 N x8 N', $m) if $type =~ /[AF]/;
		$reduce->($order, unpack 'x19 N', $m) if $type =~ /[ECX]/;
		$reduce->($order, 2**40) if $type =~ /[DU]/;
		$add->(unpack 'x19 Q> N N', $m) if $type eq 'U';
	}
	print join(' ', $messages, $bytes, $traded, scalar keys %symbols, scalar keys %open,
	    int($most / 10000)), "\n";
}

sub symbols {
	my $file = do { local $/; <STDIN> };
	my ($messages, $traded, %trades, %shares) = (0, 0);

	for (my $at = 0; $at < length $file; $messages++) {
		my $type = substr $file, $at + 2, 1;
		my $m = substr $file, $at + 2, $size{$type};
		my $symbol = unpack 'x n', $m;
		my $n = $type =~ /[EC]/ ? unpack('x19 N', $m) : $type eq 'P' ? unpack('x20 N', $m) : 0;

		$at += 2 + $size{$type};
		next if $n == 0;
		$trades{$symbol}++;
		$shares{$symbol} += $n;
		$traded += $n;
	}
	print "symbol $_: $trades{$_} trades, $shares{$_} shares\n" for sort { $a <=> $b } keys %trades;
	printf "%d messages, %d shares traded in %d symbols\n", $messages, $traded, scalar keys %trades;
}

@ARGV == 2 && $ARGV[0] eq 'make' ? make($ARGV[1])
    : @ARGV == 1 && $ARGV[0] eq 'symbols' ? symbols()
    : @ARGV == 1 && $ARGV[0] eq 'count' ? count()
    : die "usage: itch.pl make N | count | symbols\n";

# SPDX-License-Identifier: Apache-2.0
# Question: how long does one operation take, from the usual case to one in ten thousand, and how
# far is each percentile from the floor under it?
# Data: curves.dat, one block a curve: 1/(1-p), ns. Settings: N, ROWS, LOW, HIGH (ns), LABEL[],
# COLOUR[], ROLE[], DASH[] (2: a floor).
load 'common.gp'

set lmargin at screen 92.0/W
set rmargin at screen 1-30.0/W
set tmargin at screen 1-66.0/H
set bmargin at screen (104.0+22*ROWS)/H

set logscale x
set xrange [1:10000]
set xtics ('p0' 1, 'p50' 2, 'p75' 4, 'p90' 10, 'p95' 20, 'p99' 100, 'p99.9' 1000, 'p99.99' 10000)
set xlabel 'percentile of operations' tc rgb MUTED offset 0,0.6

set logscale y
floor10 = 10**floor(log10(LOW))
set yrange [LOW/1.25:HIGH*1.25]
set ytics ()
STEPS = fine(LOW/1.25, HIGH*1.25)
do for [e=floor(log10(LOW))-1:ceil(log10(HIGH))+1] {
	do for [m=1:9] {
		shown = m == 1 || (STEPS >= 3 && (m == 2 || m == 5)) || \
			(STEPS == 9 && (m == 3 || m == 4 || m == 7))
		if (shown) { set ytics add (ns(m*10.0**e) m*10.0**e) }
	}
}
set ylabel 'time of one operation' tc rgb MUTED offset 1.5,0
set grid xtics ytics lc rgb PALE lw 0.6 dt 1

set key at screen 60.0/W, (40.0+22*ROWS)/H left top Left reverse samplen 3 width -2 \
	maxrows ROWS vertical tc rgb INK spacing 1.25
plot for [i=1:N] 'curves.dat' index i-1 using 1:2 with linespoints lc rgb COLOUR[i] \
	dt DASH[i] lw (DASH[i] == 2 ? 1.4 : 2) pt (ROLE[i] == 0 ? 7 : 4) \
	ps (DASH[i] == 2 ? 0.1 : ROLE[i] == 0 ? 0.4 : 0.6) title LABEL[i]

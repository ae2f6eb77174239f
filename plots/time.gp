# SPDX-License-Identifier: Apache-2.0
# Question: was latency the same all the time, or is the tail made of moments?
# Data: time.dat, one block a benchmark: seconds, p50, p99, max (ns); an empty line between
# repetitions. Settings: N, ROWS, LOW, HIGH (ns), END (seconds), WINDOW (seconds of a repetition),
# LABEL[], COLOUR[].
load 'common.gp'

set lmargin at screen 92.0/W
set rmargin at screen 1-30.0/W
set tmargin at screen 1-66.0/H
set bmargin at screen (104.0+22*ROWS)/H

set xrange [0:END]
set xlabel 'seconds measured, one repetition after the other' tc rgb MUTED offset 0,0.6
do for [r=1:(END/WINDOW > 60 ? 0 : int(END/WINDOW + 0.5) - 1)] {
	set arrow 100+r from r*WINDOW, graph 0 to r*WINDOW, graph 1 nohead lc rgb PALE lw 1 back
}

set logscale y
set yrange [LOW/1.25:HIGH*1.25]
set ytics ()
STEPS = fine(LOW/1.25, HIGH*1.25)
do for [e=floor(log10(LOW))-1:ceil(log10(HIGH))+1] {
	do for [m=1:9] {
		if (m == 1 || (STEPS >= 3 && (m == 2 || m == 5)) || STEPS == 9) {
			set ytics add (ns(m*10.0**e) m*10.0**e)
		}
	}
}
set ylabel 'time of one operation' tc rgb MUTED offset 1.5,0
set grid ytics lc rgb PALE lw 0.6 dt 1

set key at screen 60.0/W, (40.0+22*ROWS)/H left top Left reverse samplen 3 width -2 \
	maxrows ROWS vertical tc rgb INK spacing 1.25
plot for [i=1:N] 'time.dat' index i-1 using 1:2 with lines lc rgb COLOUR[i] lw 2 title LABEL[i], \
	for [i=1:N] 'time.dat' index i-1 using 1:3 with lines lc rgb COLOUR[i] lw 1.2 dt 2 notitle, \
	for [i=1:N] 'time.dat' index i-1 using 1:4 with points lc rgb COLOUR[i] pt 7 ps 0.35 notitle

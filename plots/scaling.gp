# SPDX-License-Identifier: Apache-2.0
# Question: what does another thread bring, and is it a boundary of the machine (a shared core,
# another L3 cache, another package) that stops the gain?
# Data: scaling.dat, one block a line: threads, speed-up, smallest, largest; boundaries.dat:
# threads, number, word. Settings: N, ROWS, FROM, TO (threads), LOW, HIGH (speed-up), MARKS,
# LABEL[], COLOUR[].
load 'common.gp'

set lmargin at screen 96.0/W
set rmargin at screen 1-30.0/W
set tmargin at screen 1-96.0/H
set bmargin at screen (108.0+22*ROWS)/H

set logscale xy 2
left = FROM/2.0**0.25
right = TO*2.0**0.25
set xrange [left:right]
set yrange [(LOW < FROM ? LOW : FROM)/2.0**0.3:HIGH*2.0**0.3]
set xtics ()
do for [e=0:20] { set xtics add (sprintf('%d', 2**e) 2**e) }
set xtics add (sprintf('%d', TO) TO)
set ytics ()
do for [e=-8:20] {
	set ytics add (sprintf('%g×', 2.0**e) 2.0**e)
	if (HIGH/LOW < 8) { set ytics add (sprintf('%g×', 1.5*2.0**e) 1.5*2.0**e) }
}
set xlabel 'threads' tc rgb MUTED offset 0,0.6
set ylabel "throughput, in threads' worth" tc rgb MUTED offset -0.5,0
set grid ytics lc rgb PALE lw 0.6 dt 1

# A boundary lies between the last thread before it and the first beyond.
between(k) = sqrt((k-1.0)*k)
if (MARKS > 0) {
	stats 'boundaries.dat' using 1 nooutput
	do for [i=0:MARKS-1] {
		stats 'boundaries.dat' using (K = column(1), L = strcol(3), column(1)) \
			every ::i::i nooutput
		if (between(K) > left && between(K) < right) {
			set arrow 100+i from between(K), graph 0 to between(K), graph 1 nohead \
				lc rgb 0x8a8a8a dt 3 lw 1
			set label 100+i L at between(K), graph 1 offset 0,(i%2 == 0 ? 0.7 : 1.7) center \
				font 'DejaVu Sans,10' tc rgb MUTED
		}
	}
}

set key at screen 60.0/W, (40.0+22*ROWS)/H left top Left reverse samplen 2.5 width -2 \
	maxrows ROWS vertical tc rgb INK spacing 1.25
plot x with lines lc rgb 0x8a8a8a dt 2 lw 1.2 title 'ideal', \
	for [i=1:N] 'scaling.dat' index i-1 using 1:2 with linespoints lc rgb COLOUR[i] lw 2 \
		pt (i%6 < 3 ? 5+2*(i%3) : 4+2*(i%3)) ps 0.6 title LABEL[i], \
	for [i=1:N] 'scaling.dat' index i-1 using 1:3:(0):($4-$3) with vectors nohead \
		lc rgb COLOUR[i] lw 1 notitle
